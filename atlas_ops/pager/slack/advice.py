"""What Slack's error codes mean, and what a person can do about each. Called by `slack.client` and `slack.socket`."""

from __future__ import annotations

ABOUT_MESSAGE = frozenset(
    (
        "msg_too_long",
        "msg_blocks_too_long",
        "invalid_blocks",
        "invalid_blocks_format",
        "no_text",
        "invalid_metadata_format",
        "invalid_metadata_schema",
        "metadata_too_large",
        "invalid_arguments",
    )
)
"""Codes that speak of one message, not of the token or the channel."""
GONE = frozenset(("message_not_found", "thread_not_found", "cant_update_message", "cannot_reply_to_message"))
"""Codes that say that the message we want to change or answer is not there, or not ours to change."""
FIXED = "edit_window_closed"
"""The workspace lets nobody edit a message, or not for long."""
UNFINISHED = frozenset(("internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"))
"""Codes of trouble on Slack's side, which passes. The message may have been taken before it."""

_ADVICE = {
    "missing_scope": "the token lacks the scope {scope}: add it to the app under OAuth & Permissions, then reinstall the app",
    "invalid_auth": "Slack does not know the token: copy the bot token (xoxb-...) of the app into SLACK_BOT_TOKEN and restart",
    "not_authed": "Slack got no token: put the bot token (xoxb-...) into SLACK_BOT_TOKEN and restart",
    "token_revoked": "the token was revoked: reinstall the app, put its new token into SLACK_BOT_TOKEN and restart",
    "token_expired": "the token has expired: put a new one into SLACK_BOT_TOKEN and restart",
    "account_inactive": "the app or its workspace was deactivated: install the app again",
    "not_allowed_token_type": "this is no bot token: put the one that begins with xoxb- into SLACK_BOT_TOKEN and restart",
    "channel_not_found": "Slack shows us no channel {channel}: check its name, and invite the app to it when it is private",
    "not_in_channel": "the app is no member of {channel}: write `/invite @<app>` in that channel",
    "is_archived": "the channel {channel} is archived: unarchive it, or name another with --channel",
    "restricted_action": "the workspace does not let the app post in {channel}: ask its administrator",
    "no_permission": "the workspace does not let the app post in {channel}: ask its administrator",
    "ekm_access_denied": "the workspace's administrators have suspended posting",
    "unknown_method": "this is not Slack's Web API: check --slack-api-url",
}


def advice(code: str, *, scope: str, channel: str) -> str:
    """Return a sentence that says what a refusal means and what to do; it always names the code."""
    text = _ADVICE.get(code)
    if text is None:
        where = "docs.slack.dev/reference/methods/chat.postMessage"
        return f"Slack refused the message with {code}: {where} says what it means"
    return f"{text.format(scope=scope or 'chat:write', channel=f'#{channel}')} ({code})"


_SOCKET = {
    "invalid_auth": "Slack does not know the app-level token: copy it (xapp-...) into SLACK_APP_TOKEN and restart",
    "not_allowed_token_type": "SLACK_APP_TOKEN needs an app-level token: the one that begins with xapp-",
    "missing_scope": "the app-level token lacks the scope connections:write: make a new one under Basic Information",
    "unknown_method": "this is not Slack's Web API: check --slack-api-url",
}


def socket_advice(code: str) -> str:
    """Return a sentence that says why there is no connection for buttons, and what to do; it always names the code."""
    known = _SOCKET.get(code)
    return f"{known} ({code})" if known else f"Slack does not open a connection: {code}; is Socket Mode on in the app?"
