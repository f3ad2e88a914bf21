"""What an admin gets wrong or leaves doubtful, and the one thing that is said of it."""

from __future__ import annotations

import pytest

from bridge.core.rules.file import load
from bridge.core.yaml_file.problems import RulesError


def said(text: str) -> list[str]:
    """What `check` would say, without the count at the end."""
    try:
        return load(text.encode(), webhooks={"OPS"}, can_look_up=True).report()[:-1]
    except RulesError as error:
        return str(error).splitlines()[:-1]


def _only(found: list[str]) -> str:
    assert len(found) == 1, found
    return found[0].removeprefix("rules.yaml:")


def _rule(when: str = "{type: Intro}", post: str = "{to: x}") -> str:
    return f"version: 1\nrules:\n  - name: a\n    when: {when}\n    post: {post}\n"


SECRET = "https://hooks.slack.com/services/T000/B000/notSoSecretAnyMore"


@pytest.mark.parametrize(
    ("post", "expected"),
    [
        ("{to: @host}", "YAML reserves '@' at the start of a value; quote it: \"@host\""),
        ("{to: @ana}", "'@ana' is not a person Slack can find; write \"@host\""),
        ("{to: x, mention: @host}", "'@host' cannot be mentioned; write host, here"),
        ("{to: x, mention: @host}", "(did you mean 'host'?)"),
        ("{to: x, mention: '@U012AB3CD'}", "(did you mean 'U012AB3CD'?)"),
        ("{to: x, mention: '<@U012AB3CD|ana>'}", "(did you mean 'U012AB3CD'?)"),
        ("{to: x, mention: '<!subteam^S012AB3CD>'}", "(did you mean 'S012AB3CD'?)"),
        ("{to: '<#C012AB3CD|sales>'}", "is how Slack writes 'C012AB3CD'; write that alone"),
        ("{to: https://acme.slack.com/archives/C012AB3CD}", "write its id (did you mean 'C012AB3CD'?)"),
        ("{to: https://example.com/sales}", "a web address is no place here"),
        (f"{{to: {SECRET}}}", "a web address is no place here: an incoming webhook's is a secret"),
        (f"{{to: 'webhook:{SECRET}'}}", "set it as SLACK_WEBHOOK_<NAME> and write webhook:NAME"),
        (f"{{to: x, mention: '{SECRET}'}}", "'https://hooks.slack.com/…' cannot be mentioned"),
        ("{to: '#a, #b'}", 'several are a list: ["#a", "#b"]'),
        ("{to: '#a #b'}", 'several are a list: ["#a", "#b"]'),
        ("'#sales'", "expected a mapping with `to`, got '#sales'; write {to: \"#sales\"}"),
        ("['#sales']", "expected a mapping with `to`, got '#sales'; write {to: \"#sales\"}"),
    ],
)
def test_posting(post: str, expected: str) -> None:
    """One problem, which says what is meant, and repeats no secret."""
    found = _only(said(_rule(post=post)))
    assert expected in found
    assert "SoSecret" not in found


@pytest.mark.parametrize(
    ("post", "expected"),
    [
        ("{to: 'webhook:OPS', broadcast: cancelled}", "broadcast: broadcast is about replies"),
        ("{to: x, style: post, broadcast: cancelled}", "with style: post there are none"),
        ("{to: ['#a', a, b]}", "5:23: warning: rules[0].post.to: '#a' is named twice in this rule"),
        ("[{to: a}, {to: [b, A]}]", "5:30: warning: rules[0].post[1].to: '#a' is named twice in this rule"),
    ],
)
def test_posting_in_vain(post: str, expected: str) -> None:
    """What has no effect is warned of."""
    assert expected in _only(said(_rule(post=post)))


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("{booker: bigco.com}", "4:20: warning: rules[0].when.booker: no e-mail is 'bigco.com'"),
        ("{booker: bigco.com}", "(did you mean '*@bigco.com'?)"),
        ("{booker: {email: ['*@a.com', '@bigco.com']}}", "email[1]: no e-mail is '@bigco.com'"),
        ("{status: canceled}", "has no status 'canceled' (did you mean 'CANCELLED'?)"),
        ("{not: {}}", "4:12: warning: rules[0].when.not: nothing is asked here, so that it never holds"),
        ("{booker: {}}", "rules[0].when.booker: nothing is asked here, so that it always holds"),
        ("{starts_within: 2d, starts_after: 2d}", "4:45: warning: rules[0].when.starts_after: no booking"),
    ],
)
def test_doubtful_condition(when: str, expected: str) -> None:
    """A condition that never or always holds is warned of; the file is good."""
    assert expected in _only(said(_rule(when=when)))


@pytest.mark.parametrize("message", ["{title: ''}", "{title: ' ', fields: {When: ''}}", "{fields: {}}"])
def test_message_that_says_nothing(message: str) -> None:
    """It would give way to the default at every event."""
    text = f"version: 1\notherwise: {{post: {{to: x, message: m}}}}\nmessages:\n  m: {message}\n"
    assert _only(said(text)).startswith("4:6: messages.m: this message says nothing; give it title, body")


@pytest.mark.parametrize(
    "part", ["fields: {'{{ booking.type }}': x}", "links: {'{{ event.verb }}': 'https://x'}"]
)
def test_label_is_no_template(part: str) -> None:
    """Nothing is filled into it, which is warned of."""
    text = f"version: 1\notherwise: {{post: {{to: x, message: m}}}}\nmessages:\n  m: {{{part}}}\n"
    assert "is posted as it stands; only what follows it is a template" in _only(said(text))


def test_any_number_of_warnings_leaves_the_file_good() -> None:
    """Only so many are shown; the rules are all there, and what comes after the last warning is read too."""
    rule = "  - {{name: r{0}, when: {{type: t{0}, status: canceled}}, post: {{to: x}}}}\n"
    text = "version: 1\nrules:\n" + "".join(rule.format(n) for n in range(300))
    loaded = load(text.encode())
    assert len(loaded.rules.rules) == 300
    *_, last, count = loaded.report()
    assert "and maybe more" in last
    assert count == "201 warnings"
    with pytest.raises(RulesError, match="unknown event 'creatd'"):
        load((text + "  - {name: z, when: {event: creatd}, post: {to: x}}\n").encode())


@pytest.mark.parametrize(
    "when",
    [
        "{booker: ['*bigco.com', eva@bigco.com, '/bigco/']}",
        "{status: [pending, 'CONF*', '/x/']}",
        "{starts_within: 2d, starts_after: 1d}",
        "{not: {type: x}, booker: {name: eva}}",
    ],
)
def test_nothing_is_doubtful(when: str) -> None:
    """What can hold and can fail is not warned of."""
    assert said(_rule(when=when)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 days", "'2 days' is not a length of time (did you mean '2d'?)"),
        ("30 Min.", "(did you mean '30m'?)"),
        ("12 hours", "(did you mean '12h'?)"),
        ("2 weeks", "write minutes, hours or days, such as 30m, 1h30m or 3d"),
    ],
)
def test_length_in_words(text: str, expected: str) -> None:
    """A length of time in words is understood well enough to say how it is written."""
    assert expected in _only(said(_rule(when=f"{{starts_within: {text}}}")))


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Lisbon", "(did you mean 'Europe/Lisbon'?)"),
        ("New York", "(did you mean 'America/New_York'?)"),
        ("america/sao paulo", "(did you mean 'America/Sao_Paulo'?)"),
        ("Berln", "(did you mean 'Europe/Berlin'?)"),
        ("utc", "(did you mean 'UTC'?)"),
        ("PST", "one is a place, such as America/Sao_Paulo"),
        ("UTC+1", "one is a place, such as America/Sao_Paulo"),
        ("Pacific Standard Time", "one is a place, such as America/Sao_Paulo"),
        ("localtime", "time zone 'localtime' is not known"),
        ("posix/UTC", "time zone 'posix/UTC' is not known"),
    ],
)
def test_time_zone(zone: str, expected: str) -> None:
    """The place that is meant is named; a zone that only this machine has is refused as everywhere."""
    text = f"version: 1\nsettings: {{timezone: {zone}}}\notherwise: {{post: {{to: x}}}}\n"
    assert expected in _only(said(text))


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("settings: {alerts_to: @host}", "2:23: settings.alerts_to: trouble has no host; name a channel"),
        ("settings: {repair: 'off'}", "expected true or false, got 'off'; write it without quotes"),
        ("people: {a: {slack: '<@u012ab3cd>'}}", "not a Slack user id (did you mean 'U012AB3CD'?)"),
        (
            "people: {ana@example.com: {name: Ana}}",
            "2:10: warning: people: 'ana@example.com' is not a Copera",
        ),
        ("types: {Intro: {}, ' intro': {}}", "2:20: types: ' intro' means the same as 'Intro' in line 2"),
        ("types: {intro-*: {}}", "2:9: warning: types: 'intro-*' is no pattern here"),
        ("rules: [{name: a, post: {to: y}, stop: 'true'}]", "got 'true'; write it without quotes"),
    ],
)
def test_beside_the_rules(part: str, expected: str) -> None:
    """One problem or warning for a slip outside the conditions."""
    assert expected in _only(said(f"version: 1\n{part}\notherwise: {{post: {{to: x}}}}\n"))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("{title: 'Hi {booking.type}'}", "5:14: warning: messages.m.title: '{booking.type}' is posted as it"),
        ("{body: '${ event.verb }'}", "a value is written {{ event.verb }}"),
        ("{body: 'Look, @here!'}", "'@here' is only text in a message; to mention, write `mention: here`"),
        ("{footer: '@everyone'}", "write `mention: channel` beside `to`"),
        (
            "{blocks: [{type: header, text: {type: plain_text, text: '{booking.type}'}}]}",
            "5:62: warning: messages.m.blocks[0].text.text: '{booking.type}' is posted as it stands",
        ),
    ],
)
def test_doubtful_message(message: str, expected: str) -> None:
    """What would be posted as it stands is warned of; the message is good, and used."""
    text = f"version: 1\notherwise: {{post: {{to: x, message: m}}}}\nmessages:\n\n  m: {message}\n"
    assert expected in _only(said(text))
    assert load(text.encode()).rules.messages["m"]


@pytest.mark.parametrize(
    ("otherwise", "expected"),
    [
        ("'#x'", "expected a mapping with `post`, got '#x'; write {post: {to: \"#x\"}}"),
        ("{to: x}", "2:13: otherwise: unknown key 'to'; it belongs under `post`"),
        ("{}", "2:12: otherwise: `post` is missing"),
    ],
)
def test_otherwise(otherwise: str, expected: str) -> None:
    """`post` is not said to be missing where its keys only stand a level too high."""
    assert expected in _only(said(f"version: 1\notherwise: {otherwise}\n"))
