"""URL paths of objects. Source: https://kubernetes.io/docs/reference/using-api/api-concepts/"""

from __future__ import annotations

from perdure.ports import Resource


def path_of(
    resource: Resource,
    namespace: str | None = None,
    name: str | None = None,
    subresource: str | None = None,
) -> str:
    """Return the path of an object, or of all objects where `name` is None.

    `namespace` is None for all namespaces, and for kinds that live in none.
    """
    parts = [f"/apis/{resource.group}" if resource.group else "/api", resource.version]
    if namespace is not None:
        parts += ["namespaces", namespace]
    parts.append(resource.plural)
    if name is not None:
        parts.append(name)
    if subresource is not None:
        parts.append(subresource)
    return "/".join(parts)
