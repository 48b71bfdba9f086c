"""`atlas-ops dashboards push`: puts the dashboards into a Grafana, by its HTTP API."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from atlas_ops import __version__
from atlas_ops.catalog import build_catalog
from atlas_ops.cli import place
from atlas_ops.errors import EnvironmentProblem, UsageError
from atlas_ops.grafana import Dashboard, Grafana, Outcome, Verdict, folder, push
from atlas_ops.grafana.wire import Wire
from atlas_ops.render import dashboards, provisioning
from atlas_ops.render.dashboards.grafana import TAG
from atlas_ops.settings import Settings, url_problem

TOKEN = "GRAFANA_TOKEN"  # noqa: S105 - the name of the variable, not its value
TOKEN_FILE = "GRAFANA_TOKEN_FILE"  # noqa: S105 - as above

_DRY = {Verdict.CREATED: "would create", Verdict.CHANGED: "would change"}
_EPILOG = f"""\
The token is that of a service account (Administration > Users and access > Service accounts) with the role Editor, or with
folders:read, folders:create, dashboards:read, dashboards:create and dashboards:write. It is read from {TOKEN}, or from the
file that {TOKEN_FILE} names. Use https where others could listen. TLS trusts whom the machine trusts, or the
authorities in the file that SSL_CERT_FILE names; no proxy is used.

created    Grafana had no dashboard with this uid
changed    it had another version of ours, or had it in another folder; the one before stays in the dashboard's versions
unchanged  it is as it should be, and was not written
refused    it was not written: why and what to do is told at the end. A dashboard that has our uid but not the tag
           {TAG} is somebody else's, and one that Grafana reads from a file has another way in: neither is touched

A folder with the title of --folder is used, wherever it lies; it is made at the top level when there is none. Requests that
only read are sent again when Grafana is busy (429, 502, 503, 504), ones that write only when it says that it did nothing
(429). Each may take 5 s to connect and 30 s without a word. Running the command twice does no harm.

examples:
  export {TOKEN_FILE}=/run/secrets/grafana-token
  atlas-ops dashboards push --url https://grafana.example.org --dry-run
  atlas-ops dashboards push --url https://grafana.example.org --folder "ML serving"
  atlas-ops dashboards push --config atlas-ops.yaml          to links.grafana, with your limits and objectives

exit codes:
  0  every dashboard is as it should be; or --dry-run, and nothing would be refused
  1  a dashboard or the folder was refused, or would be
  2  the command line is wrong, or there is no token
  3  the settings file has mistakes (all of them are listed)
  4  Grafana cannot be reached, is none, or does not take the token
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "dashboards",
        help="put the dashboards into a Grafana by its HTTP API",
        description="Put the dashboards into a Grafana by its HTTP API.",
        epilog="It explains itself: atlas-ops dashboards push --help",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    one = actions.add_parser(
        "push",
        help="create what is missing, change what differs, leave the rest alone",
        description="Put the dashboards into a Grafana: create what is missing, change what differs, leave the rest alone.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.add_argument("--url", metavar="URL", help="address of Grafana (default: links.grafana of the settings)")
    one.add_argument(
        "--folder", default=provisioning.FOLDER, metavar="NAME", help="title of the folder (default: %(default)s)"
    )
    one.add_argument("--dry-run", action="store_true", help="only say what would be done")
    place.add_config(one)


def run(args: argparse.Namespace) -> int:
    """Push; see the exit codes in the help."""
    settings = place.read_config(args)
    url, token = _url(args.url or settings.links.grafana), _token()
    if not args.folder.strip():
        raise UsageError("--folder is empty", next_step="give the title of a folder, or leave it out")
    wire = Wire(url, token)
    try:
        return _pushed(Grafana(wire), _wanted(settings), args, url)
    finally:
        wire.close()


def _wanted(settings: Settings) -> tuple[Dashboard, ...]:
    texts = dashboards.render(build_catalog(settings.parameters), settings).values()
    models = [json.loads(text) for text in texts]
    return tuple(Dashboard(uid=model["uid"], title=model["title"], tag=TAG, model=model) for model in models)


def _pushed(grafana: Grafana, wanted: Sequence[Dashboard], args: argparse.Namespace, url: str) -> int:
    version = grafana.version()
    target, new = folder(grafana, args.folder.strip(), dry_run=args.dry_run)
    about = " (would be made)" if new and args.dry_run else " (new)" if new else ""
    print(f"Grafana {version or 'of a hidden version'} at {url}, folder {target.title}{about}")
    outcomes: list[Outcome] = []
    try:
        for outcome in push(grafana, wanted, target.uid, message=f"atlas-ops {__version__}", dry_run=args.dry_run):
            outcomes.append(outcome)
            print(_line(outcome, dry_run=args.dry_run), flush=True)
        print(_counts(outcomes, dry_run=args.dry_run))
    except EnvironmentProblem:
        left = ", ".join(dashboard.uid for dashboard in wanted[len(outcomes) :])
        print(f"not tried, or not known: {left}", flush=True)
        raise
    finally:
        for outcome in outcomes:
            if outcome.problem:
                print(f"{outcome.dashboard.uid}: {outcome.problem}", file=sys.stderr)
    return 1 if any(outcome.problem for outcome in outcomes) else 0


def _counts(outcomes: Sequence[Outcome], *, dry_run: bool) -> str:
    counts = Counter(outcome.verdict for outcome in outcomes)
    return ", ".join(f"{counts[verdict]} {_word(verdict, dry_run=dry_run)}" for verdict in Verdict if counts[verdict])


def _line(outcome: Outcome, *, dry_run: bool) -> str:
    return f"{_word(outcome.verdict, dry_run=dry_run):12}  {outcome.dashboard.uid:20}  {outcome.dashboard.title}"


def _word(verdict: Verdict, *, dry_run: bool) -> str:
    return _DRY.get(verdict, verdict.value) if dry_run else verdict.value


def _url(url: str) -> str:
    problem = url_problem(url)
    if not problem and ("?" in url or "#" in url):
        problem = "it has to end before the first ? or #"
    if problem:
        raise UsageError(f"--url: {problem}", next_step=f"give Grafana's address alone; the token comes from {TOKEN}")
    return url.rstrip("/")


def _token() -> str:
    given, file = os.environ.get(TOKEN, ""), os.environ.get(TOKEN_FILE, "")
    if bool(given) == bool(file):
        found = f"both {TOKEN} and {TOKEN_FILE} are set" if given else f"neither {TOKEN} nor {TOKEN_FILE} is set"
        raise UsageError(
            found, next_step="set one of them; `atlas-ops dashboards push --help` says which token it takes"
        )
    try:
        token = (given or Path(file).read_text(encoding="utf-8")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{TOKEN_FILE}: {file} cannot be read: {error}", next_step="check the path and its permissions"
        ) from error
    if not re.fullmatch(r"[!-~]+", token):
        where = TOKEN if given else file
        raise UsageError(
            f"{where} holds no token, or characters that no token has", next_step="copy the token (glsa_...) again"
        )
    return token
