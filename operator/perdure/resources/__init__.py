"""The custom resources of group `perdure.dev`: pydantic models, CRD generator, conditions.

Here belong the shapes of WorkflowDefinition, WorkflowInstance, WorkflowEvent, WorkflowHistory and
WorkflowLog, their offline check, and what conditions an instance shows. What a definition *means*
(expressions, cross-references) belongs to `perdure.language`; what an entry of the log means to
`perdure.lanes`; reading and writing objects to `perdure.kubernetes`.
"""
