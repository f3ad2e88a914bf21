"""Templates: what they may say, what is refused before it runs, and what they can never reach."""

from __future__ import annotations

from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from bridge.core.messages.printing import Face
from bridge.core.messages.samples import samples
from bridge.core.messages.templates import LONGEST_SOURCE, TemplateFailure, TemplateProblem, compile_template
from bridge.core.messages.viewing import roots
from bridge.core.messages.views import ITEMS, ROOTS, SCALARS, SHAPES, View
from bridge.core.rules.rules import Rules
from tests.messages import building
from tests.work import calls

MOST_CALLS: Final = 500_000
"""Of functions, for any template: a small part of a second's."""

ROOT_VALUES = roots(samples()[1], building.rules())


def run(source: str, face: Face = "mrkdwn") -> str:
    return compile_template(source).render(ROOT_VALUES, face, ZoneInfo("Europe/London"))


def problems(source: str) -> list[tuple[int, str]]:
    with pytest.raises(TemplateProblem) as caught:
        compile_template(source)
    return [(problem.line, problem.message) for problem in (caught.value, *caught.value.others)]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("{{ booking.type }} with {{ booking.booker.name }}", "Intro Call with Alice Booker"),
        ("{{ event.emoji }} {{ event.verb }}", ":white_check_mark: Confirmed"),
        ("{{ booking.answers['Topic'] }} / {{ booking.answers.q2 }}", "Pricing &amp; terms / 11-50"),
        ("{{ booking.answers['topic'] }}{{ booking.answers['No such'] }}", "Pricing &amp; terms"),
        ("{{ booking.answers.Nope | default('*none* :wave:') }}", "*none* :wave:"),
        ("{{ booking.booker.name | upper }} {{ 'x' ~ booking.duration ~ 'y' }}", "ALICE BOOKER x30y"),
        ("{{ booking.hosts | mention }}", "<@U012AB3CD>, Ben Okafor"),
        ("{{ booking.hosts | join(' and ') }}", "Ana Lima and Ben Okafor"),
        ("{{ booking.hosts | join(', ', attribute='email') }}", "ana@example.com, ben@example.com"),
        ("{{ booking.hosts[1].name }}{{ booking.hosts[9].name }}", "Ben Okafor"),
        ("{{ (booking.hosts | first).name }} {{ booking.guests | length }}", "Ana Lima 2"),
        ("{{ booking.booker | mail }}", "<mailto:alice@example.com|alice@example.com>"),
        ("{{ booking.location.url | link }}", "<https://meet.example.com/alice|meet.example.com>"),
        ("{{ ('https://x.example/' ~ booking.id) | link('Go :rocket:') }}",
         "<https://x.example/665f00000000000000000009|Go :rocket:>"),
        ("{{ booking.duration | duration }} {{ booking.duration * 2 + 1 }}", "30 min 61"),
        ("{{ booking.start | date('{date_num}') }}", "<!date^1783522800^{date_num}|Wednesday 8 July 2026>"),
        ("{{ booking.start }}", "Wednesday 8 July 2026, 16:00 (Europe/London)"),
        ("{% for a in booking.answers %}{{ loop.index }} {{ a.label }}: {{ a.text }}\n{% endfor %}",
         "1 Topic: Pricing &amp; terms\n2 Team size: 11-50\n3 Products: Tables, Documents"),
        ("{% for a in booking.answers if a.id == 'q2' %}{{ a.text }}{% else %}none{% endfor %}", "11-50"),
        ("{% if booking.type == 'Intro Call' and 'Topic' in booking.answers %}yes{% endif %}", "yes"),
        ("{% if previous is none %}new{% else %}{{ previous.status }}{% endif %}", "PENDING"),
        ("{{ 'a' if booking.duration > 60 }}{% set x = booking.type %}{{ x | lower | title }}", "Intro Call"),
        ("{{ booking.type | replace('Call', '<b>') | truncate(9) }}", "Intro &lt;b&gt;"),
        ("{{ {'Intro Call': 'first talk'}[booking.type] }}", "first talk"),
        ("Q&A <https://x.example/?a=1|here> a < b", "Q&amp;A <https://x.example/?a=1|here> a &lt; b"),
        ("{{ booking | date('{time_secs}') }}", "<!date^1783522800^{time_secs}|16:00:00 (Europe/London)>"),
        ("{{ '  a  ' | trim | capitalize }}{{ (booking.answers | last).label }}", "AProducts"),
        ("{{ 'abc' | length }}{{ [] | first }}{{ 'abc' | replace('', 'x') }}", "3abc"),
        ("{{ booking | mention }} / {{ [] | mention }}", "<@U012AB3CD>, Ben Okafor /"),
        ("{{ 'a@b.example' | mail }} {{ 'nobody' | mail }}", "<mailto:a@b.example|a@b.example> nobody"),
        ("{{ booking | duration }}{{ none | duration }}{{ 90.4 | duration }}", "30 min1 h 30 min"),
        ("{{ 'not an address' | link }}{{ '' | link('x') }}", "not an address"),
        ("{{ booking.answers['Topic'] | link('<' ~ event.emoji) }}", "&lt;:white_check_mark:"),
        ("{{ booking.hosts == booking.hosts }} {{ booking.hosts[0] == 'Ana Lima' }}", "true true"),
        ("{{ [event.verb, 1, true] | join('-') }}", "Confirmed-1-true"),
        ("{{ 'a' + 'b' }} {{ -1 }} {{ 7 // 2 }} {{ 7 % 4 }} {{ 1.5 }}", "ab -1 3 3 1.5"),
        ("{{ rule }} {{ settings.timezone }} {{ settings.show.email }}", "sample Europe/London true"),
    ],
)  # fmt: skip
def test_what_templates_say(source: str, shown: str) -> None:
    """Values are escaped when they print; only filters make markup; the admin's text keeps its marks."""
    assert run(source) == shown


@pytest.mark.parametrize(
    ("face", "shown"),
    [
        ("mrkdwn", "*x* Alice <@U012AB3CD> &amp; <https://x.example|y>"),
        ("text", "*x* Alice Ana Lima &amp; y (https://x.example)"),
        ("plain", "*x* Alice Ana Lima & y"),
    ],
)
def test_faces(face: Face, shown: str) -> None:
    """One template gives markup for the eye, words for the ear, and plain text for a header."""
    name = "{{ booking.booker.name | replace(' Booker', '') }}"
    source = f"*x* {name} {{{{ booking.hosts[0] | mention }}}} & <https://x.example|y>"
    assert run(source, face) == shown


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("{{ booking.bokker }}", 1, "booking has no 'bokker' (did you mean 'booker'?)"),
        ("\n{{ bookin.type }}", 2, "unknown name 'bookin' (did you mean 'booking'?)"),
        ("{{ booking.booker.nmae }}", 1, "booking.booker has no 'nmae' (did you mean 'name'?)"),
        ("{{ booker.name }}", 1, "unknown name 'booker' (did you mean 'booking.booker'?)"),
        ("{{ type }}", 1, "unknown name 'type' (did you mean 'booking.type'?)"),
        ("{{ verb }}", 1, "unknown name 'verb' (did you mean 'event.verb'?)"),
        ("{{ email }}", 1, "unknown name 'email' (did you mean 'booking.booker.email'?)"),
        ("{{ host.name }}", 1, "unknown name 'host' (did you mean 'booking.hosts'?)"),
        ("{{ \u201cx\u201d }}", 1, "'\u201c' cannot stand in {{ … }} or {% … %}; it is a quote from a chat"),
        ("{{ a ? b : c }}", 1, "'?' cannot stand in {{ … }} or {% … %}; write {{ this if condition else"),
        ("{{{ booking.type }}}", 1, "a value stands between two braces, {{ … }}, not between three"),
        ("{{ }}", 1, "nothing stands in this {{ … }}"),
        ("{{ previous.stat }}", 1, "previous has no 'stat' (did you mean 'start'?)"),
        ("{{ booking['strat'] }}", 1, "booking has no 'strat' (did you mean 'start'?)"),
        ("{{ booking | wen }}", 1, "unknown filter 'wen' (did you mean 'when'?)"),
        ("{{ booking.type | safe }}", 1, "unknown filter 'safe'; values are escaped, always"),
        ("{% if booking is deffined %}{% endif %}", 1, "unknown test 'deffined' (did you mean 'defined'?)"),
        ("{{ booking.hosts.name }}", 1, "booking.hosts is a list: use a loop, or (booking.hosts |"),
        ("{{ booking.start.year }}", 1, "booking.start is a plain value and has no 'year'"),
        ("{% for h in booking.hosts %}{{ h.nme }}{% endfor %}", 1, "h has no 'nme' (did you mean 'name'?)"),
        ("{{ booking.type | truncate(1, 2) }}", 1, "filter 'truncate' takes 'length'"),
        ("{{ booking.type.upper() }}", 1, "nothing can be called in messages: 'upper()'; write | upper"),
        ("a\nb <!channel>", 2, "a message mentions nobody by itself; use the filter mention"),
        ("{{ '<@U012AB3CD>' }}", 1, "a message mentions nobody by itself; use the filter mention"),
        ("<https://x.example/{{ booking.id }}|Open>", 1, "'<https://x.example/' and a value make no link"),
        ("{% set booking = 1 %}", 1, "'booking' is given and cannot be set; choose another name"),
        ("{% if x %}", 1, "{% if %} is never closed; write {% endif %}"),
        ("{{ a b }}", 1, "'b' does not fit in here; expected the end of"),
        ("x" * (LONGEST_SOURCE + 1), 1, "a template may have 10,000 characters, this has 10,001"),
    ],
)  # fmt: skip
def test_slips_are_found_before_anything_runs(source: str, line: int, words: str) -> None:
    """Each slip has its line, and the nearest name when one is close."""
    found = problems(source)[0]
    assert found[0] == line
    assert found[1].startswith(words)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ booking.type | date }}", "date needs a time: booking.start | date"),
        ("{{ booking.start | date('%H') }}", "date takes Slack's tokens"),
        ("{{ booking.start | date('{date}|x>') }}", "date takes Slack's tokens"),
        ("{{ booking.type | mention }}", "mention needs hosts"),
        ("{{ booking.type | duration }}", "duration needs minutes"),
        ("{{ booking.type | join }}", "a list is needed here"),
        ("{{ booking.start | when | lower }}", "this filter changes text, not links, mentions and dates"),
        ("{{ booking.hosts | join(attribute='nmae') }}", "host has no 'nmae'"),
        ("{% for x in booking.type %}{% endfor %}", "a list is needed here"),
        ("{{ booking.duration > 'x' }}", "values of different kinds are compared or put together"),
        ("{{ booking.end - booking.start }}", "- works on numbers; texts are joined with ~"),
        ("{{ 1000000000 * 1000000000 * 1000000000 }}", "* works on numbers"),
        ("{{ 'a' % 1 }}", "% works on numbers"),
        ("{{ -'a' }}", "- works on numbers"),
        ("{{ 1 // 0 }}", "a division by zero"),
        ("{% if 0 %}{% set x = 1 %}{% endif %}{{ x }}", "x is not known here"),
    ],
)
def test_misuse_is_explained(source: str, words: str) -> None:
    """What only shows when a template runs is said in an admin's words."""
    with pytest.raises(TemplateFailure) as failure:
        run(source)
    assert str(failure.value).startswith(words)


def test_all_problems_of_a_template_come_together() -> None:
    """One run shows every mistake."""
    assert [line for line, _ in problems("{{ a }}\n{{ b }}\n{{ booking | c }}")] == [1, 2, 3]


ATTACKS = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ booking.__class__ }}",
    "{{ booking['__class__'] }}",
    "{{ booking['__cla' ~ 'ss__'] }}",
    "{{ booking.hosts.__len__ }}",
    "{{ booking.source }}",
    "{{ booking.values }}",
    "{{ (booking.hosts | first)['source'] }}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ lipsum.__globals__ }}",
    "{{ config }}",
    "{{ request }}",
    "{{ range(10**9) | length }}",
    "{{ dict(a=1) }}",
    "{{ namespace(a=1) }}",
    "{{ loop }}",
    "{% for h in booking.hosts %}{{ loop }}{% endfor %}",
    "{% for h in booking.hosts %}{{ loop.__class__ }}{% endfor %}",
    "{% for h in booking.hosts %}{{ loop['_iterable'] }}{% endfor %}",
    "{% for h in booking.hosts %}{{ loop.cycle('a') }}{% endfor %}",
    "{% for h in booking.hosts recursive %}{{ loop(booking.hosts) }}{% endfor %}",
    "{{ 'a' * 10 ** 9 }}",
    "{{ 'a' * 999999999 }}",
    "{{ [1] * 999999999 }}",
    "{{ '%0999999999d' % 1 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ 99999999999999999999 }}",
    "{{ 1e308 * 10 }}",
    "{{ 1 / 0 }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ booking.type | attr('__class__') }}",
    "{{ booking.hosts | map('upper') }}",
    "{{ booking.hosts | join(attribute='source') }}",
    "{{ booking.hosts | join(attribute='__class__') }}",
    "{{ booking.type | center(999999999) }}",
    "{{ booking.type | indent(999999999) }}",
    "{{ booking.type | format }}",
    "{{ booking | pprint }}",
    "{{ booking | tojson }}",
    "{{ booking.type[::1] }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% from 'os' import path %}",
    "{% extends 'x' %}",
    "{% block x %}{% endblock %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% call booking() %}{% endcall %}",
    "{% filter upper %}x{% endfilter %}",
    "{% set x %}x{% endset %}",
    "{% set ns.x = 1 %}",
    "{% with a = 1 %}{{ a }}{% endwith %}",
    "{% autoescape false %}{% endautoescape %}",
    "{% do booking %}",
    "{% set a, b = booking.hosts %}",
    "{% set x = [[1]] %}{{ x }}",
    "{% set x = [1] %}" + "{% set x = [x, x] %}" * 40 + "{{ x }}",
    "{% set x = 'ab' %}" + "{% set x = x ~ x %}" * 60 + "{{ x }}",
    "{% set x = 'ab' %}" + "{% set x = x + x %}" * 60 + "{{ x }}",
    "{% set x = 'ab' %}" + "{% set x = x | replace('a', 'aaaaaaaaaa') %}" * 60 + "{{ x }}",
    "{% for a in booking.answers %}{% for b in booking.answers %}{% for c in booking.answers %}"
    "x{% endfor %}{% endfor %}{% endfor %}",
    "{{ " + "(" * 3_000 + "1" + ")" * 3_000 + " }}",
    "{{ " + "-" * 9_000 + "1 }}",
    "{{ " + "not " * 2_000 + "1 }}",
    "{{ " + "[" * 3_000 + "]" * 3_000 + " }}",
    "{{ booking" + ".type" * 1_900 + " }}",
    "{{ 1" + "+1" * 4_000 + " }}",
    "{% if 1 %}" * 450 + "{% endif %}" * 450,
    "{{ booking.type | " + "upper | " * 1_000 + "upper }}",
]


@pytest.mark.parametrize("source", ATTACKS, ids=lambda source: source[:40])
def test_attacks_get_nothing(source: str) -> None:
    """Whatever a template tries, it is refused, fails, or says something short; after few steps."""
    answers: list[str] = []

    def attack() -> None:
        try:
            answers.append(run(source))
        except (TemplateProblem, TemplateFailure) as refused:
            answers.append(str(refused))
            assert "Traceback" not in answers[0]

    assert calls(attack) < MOST_CALLS
    (said,) = answers
    assert len(said) < 30_000
    assert not any(sign in said for sign in ("<class", "object at", "function", "root:"))


@pytest.mark.no_cover  # it takes long, and its code is covered by cases
def test_work_and_output_are_bounded() -> None:
    """Loops over as many answers as Copera can send stop soon, and output does not grow without end."""
    many = [{"questionId": f"q{n}", "label": f"L{n}", "value": "v" * 5_000} for n in range(300)]
    values = roots(building.scene(answers=many), Rules())
    nested = (
        "{% for a in booking.answers %}{% for b in booking.answers %}{{ a.text }}{% endfor %}{% endfor %}"
    )

    def fill(source: str) -> None:
        try:
            said = compile_template(source).render(values, "mrkdwn", ZoneInfo("UTC"))
        except TemplateFailure as failure:
            said = str(failure)
        assert len(said) < 30_000

    for source in (nested, nested.replace("{{ a.text }}", "")):
        assert calls(partial(fill, source)) < MOST_CALLS


def test_views_have_exactly_the_documented_names() -> None:
    """What templates are checked against is what they get."""

    def agree(kind: str, value: object) -> None:
        if kind in ITEMS:
            items = value.items if isinstance(value, View) else value
            assert isinstance(items, tuple)
            for item in items:
                agree(ITEMS[kind], item)
        elif kind not in SCALARS and value is not None:
            assert isinstance(value, View)
            assert value.kind == kind
            assert set(value.values) == set(SHAPES[kind])
            for name, inner in SHAPES[kind].items():
                agree(inner, value.values[name])

    for scene in samples():
        values = roots(scene, Rules())
        assert set(values) == set(ROOTS)
        for name, kind in ROOTS.items():
            agree(kind, values[name])
