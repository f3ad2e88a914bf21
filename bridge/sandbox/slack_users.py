"""The users.* methods, usergroups.list and auth.test. Sources: the docs.slack.dev page of each method."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.sandbox.slack_chat import Args, Body, Handler, required
from bridge.sandbox.slack_workspace import (
    BOT,
    BOT_USER,
    TEAM,
    TEAM_NAME,
    TEAM_URL,
    SlackError,
    User,
    Workspace,
)


def lookup_by_email(team: Workspace, args: Args) -> Body:
    """users.lookupByEmail: `{user}`; users_not_found otherwise."""
    team.require("users:read.email")
    user = team.user_by_email(required(args, "email"))
    if user is None:
        raise SlackError("users_not_found")
    return {"user": _person(user)}


def user_info(team: Workspace, args: Args) -> Body:
    """users.info: `{user}`, deactivated ones too; user_not_found otherwise."""
    team.require("users:read")
    user = team.users.get(required(args, "user"))
    if user is None:
        raise SlackError("user_not_found")
    return {"user": _person(user)}


def list_groups(team: Workspace, args: Args) -> Body:
    """usergroups.list: `{usergroups}`, all at once; disabled ones only when asked for."""
    team.require("usergroups:read")
    with_disabled = str(args.get("include_disabled", "")).lower() in {"true", "1"}
    return {
        "usergroups": [
            {
                "id": group.id,
                "team_id": TEAM,
                "is_usergroup": True,
                "name": group.handle,
                "handle": group.handle,
                "date_delete": int(group.disabled),
            }
            for group in team.groups.values()
            if with_disabled or not group.disabled
        ]
    }


def _person(user: User) -> Body:
    return {
        "id": user.id,
        "team_id": TEAM,
        "name": user.name.lower().replace(" ", "."),
        "real_name": user.name,
        "deleted": user.deleted,
        "tz": user.tz,
        "is_bot": user.id == BOT_USER,
        "profile": {"real_name": user.name, "display_name": user.name.split()[0], "email": user.email},
    }


def auth_test(team: Workspace, args: Args) -> Body:
    """auth.test: who the token belongs to; needs no scope."""
    return {
        "url": TEAM_URL,
        "team": TEAM_NAME,
        "user": team.users[BOT_USER].name,
        "team_id": TEAM,
        "user_id": BOT_USER,
        "bot_id": BOT,
        "is_enterprise_install": False,
    }


METHODS: Mapping[str, Handler] = {
    "users.info": user_info,
    "users.lookupByEmail": lookup_by_email,
    "usergroups.list": list_groups,
    "auth.test": auth_test,
}
