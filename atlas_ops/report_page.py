"""The page of a report: one HTML file that asks nothing of the network. For the pages of `drift` and `capacity`.

Their templates extend `templates/report.html`, which has the head, the style and the policy.
"""

from __future__ import annotations

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def render(package: str, template: str, **values: object) -> str:
    """Return the page that a template in the `templates` of a package makes of values, which are escaped."""
    loader = ChoiceLoader([PackageLoader(package), PackageLoader("atlas_ops")])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template(template).render(**values)
