"""The custom resources of group `perdure.dev`: pydantic models, CRD generator, conditions.

Here belong the shapes of WorkflowDefinition, WorkflowInstance, WorkflowEvent and
WorkflowHistory, their offline check, and what conditions an instance shows. What a definition
*means* (expressions, cross-references) belongs to `perdure.language`; reading and writing objects
belongs to `perdure.kubernetes`.
"""
