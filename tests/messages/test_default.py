"""The built-in message: privacy, colours, choice of message, mentions, and the limits under load."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.core.bookings import Directory, Person
from bridge.core.messages import fitting
from bridge.core.messages.messages import render, render_alert, render_plain, render_reply
from bridge.core.messages.tints import tint
from tests.messages import building
from tests.messages.slack_limits import assert_sendable
from tests.payloads import DATA

EMAIL, PHONE, ANSWER = "alice@example.com", "+15551234567", "Pricing"
EVERYTHING: dict[str, Any] = {
    "title": "{{ booking }} {{ booking.booker.email }} {{ booking.booker.phone }}",
    "body": "{{ booking.answers }} {{ booking.booker | mail }} {{ booking.guests }} "
    "{{ booking.location }} {{ booking.answers.Topic }} {{ previous.answers }} "
    "{% for a in booking.answers %}{{ a.text }}{% endfor %}",
    "links": {"Mail": "https://x.example/?{{ booking.booker.email }}&{{ previous.booker.phone }}"},
}


@pytest.mark.parametrize("email", [True, False])
@pytest.mark.parametrize("phone", [True, False])
@pytest.mark.parametrize("answers", [True, False])
def test_private_data_is_shown_only_where_it_may_be(email: bool, phone: bool, answers: bool) -> None:
    """`settings.show` holds for blocks, texts, replies and every template."""
    rules = building.rules(
        show={"email": email, "phone": phone, "answers": answers}, messages={"all": EVERYTHING}
    )
    guests = [{"name": "Bo", "email": "bo@example.com"}]
    location = {"type": "PHONE", "number": PHONE, "mail": EMAIL}
    data: dict[str, Any] = {"guests": guests, "location": location}
    scene = building.scene("booking.rescheduled", previous=DATA, **data)
    made = [render(scene, rules), render(scene, rules, message="all")]
    said = "\n".join(map(building.everything, [*made, *map(render_plain, made), render_reply(scene, rules)]))
    assert made[1].problem == ""
    assert (EMAIL in said, "bo@example.com" in said) == (email, email)
    assert (PHONE in said) == phone
    assert (ANSWER in said) == answers
    for rendered in made:
        own = building.everything(rendered)
        assert (EMAIL in own, PHONE in own, ANSWER in own) == (email, phone, answers)


def test_a_nameless_booker_is_not_named_by_a_hidden_address() -> None:
    """Without a name the e-mail stands in, but only if it may be shown."""
    scene = building.scene(booker={"email": EMAIL})
    assert f"Intro Call with {EMAIL}" in render(scene, building.rules()).text
    assert EMAIL not in building.everything(render(scene, building.rules(show={"email": False})))


@pytest.mark.parametrize(
    ("colour", "bar"),
    [
        ("#4F46E5", "#4F46E5"),
        ("4f46e5", "#4F46E5"),
        ("#abc", "#AABBCC"),
        ("#abcd", "#AABBCC"),
        ("#11223344", "#112233"),
        (" Teal ", "#008080"),
        ("rebeccaish", ""),
        ("#12345", ""),
        ("javascript:", ""),
        ("", ""),
    ],
)
def test_colours(colour: str, bar: str) -> None:
    """Hex digits and CSS names tint a message; nonsense does not, and loses nothing."""
    assert tint(colour) == bar
    rendered = render(building.scene(type_={"_id": "type1", "color": colour}), building.rules())
    assert [attachment["color"] for attachment in rendered.attachments] == ([bar] if bar else [])
    assert "Topic" in building.everything(rendered)


def test_only_a_tinted_type_has_a_red_bar_when_it_is_over() -> None:
    """A cancelled booking is red beside its coloured neighbours; without colours nothing is folded away."""
    over: dict[str, Any] = {"status": "CANCELLED"}
    tinted = building.scene("booking.cancelled", type_={"_id": "type1", "color": "teal"}, **over)
    assert render(tinted, building.rules()).attachments[0]["color"] == "#E01E5A"
    assert render(building.scene("booking.cancelled", **over), building.rules()).attachments == []


MESSAGES = {name: {"title": f"It is {name}"} for name in ("one", "two", "default")}


@pytest.mark.parametrize(
    ("explicit", "types", "said"),
    [
        ("one", {"Intro Call": {"message": "two"}}, "It is one"),
        (None, {"intro call": {"message": "two"}}, "It is two"),
        (None, {"TYPE1": {"message": "two"}}, "It is two"),
        (None, {"intro-slug": {"message": "two"}}, "It is two"),
        (None, {"Demo": {"message": "two"}}, "It is default"),
        (None, {"Intro Call": {"emoji": ":tada:"}}, "It is default"),
        ("no such", {}, "It is default"),
        ("default", {"Intro Call": {"message": "two"}}, "It is default"),
    ],
)
def test_which_message(explicit: str | None, types: Any, said: str) -> None:
    """The named one, else the booking type's, else `default`, which may be redefined."""
    rules = building.rules(messages=MESSAGES, types=types)
    scene = building.scene(type_={"_id": "type1", "title": "Intro Call", "slug": "intro-slug"})
    assert render(scene, rules, message=explicit).text == said


@pytest.mark.parametrize(
    ("written", "title"),
    [
        (" intro call ", "Intro Call"),
        ("istanbul", "\u0130stanbul"),
        ("Entretien cr\u00e9\u00e9", "entretien cre\u0301e\u0301"),
    ],
)
def test_a_type_s_look_is_found_as_patterns_match(written: str, title: str) -> None:
    """Neither case nor how an accent is encoded counts, as in `when: {type: …}`."""
    rules = building.rules(messages=MESSAGES, types={written: {"message": "two"}})
    assert render(building.scene(bookingTypeTitle=title), rules).text == "It is two"


def test_a_type_s_emoji_follows_the_event_s() -> None:
    """What happened comes first, then which kind of booking; in templates too."""
    rules = building.rules(types={"Intro Call": {"emoji": ":telephone_receiver:"}})
    rendered = render(building.scene(), rules)
    assert rendered.text.startswith(":white_check_mark: :telephone_receiver: Confirmed: Intro Call")


@pytest.mark.parametrize(
    ("mention", "markup"),
    [
        ("host", "<@U012AB3CD>, Ben Okafor"),
        ("here", "<!here>"),
        ("channel", "<!channel>"),
        ("U999", "<@U999>"),
        ("S999", "<!subteam^S999>"),
        ("Ana@Example.com", "<@U012AB3CD>"),
        ("cy@example.com", "cy@example.com"),
        ("none", ""),
        ("everyone", ""),
        ("<!channel>", ""),
    ],
)
def test_mentions(mention: str, markup: str) -> None:
    """Only what a rule says is mentioned, in blocks and text alike; who is not in Slack is named."""
    scene = building.scene(hosts=[{"userId": "host1"}, {"userId": "host2"}])
    for make in (render, render_reply):
        rendered = make(scene, building.rules(), mention=mention)
        lines = [*rendered.text.split("\n"), *"\n".join(building.strings(rendered.blocks)).split("\n")]
        wanted = [f"For {markup}"] * 2 if markup else []
        assert [line for line in lines if line.startswith("For ") and "the booker" not in line] == wanted


def test_a_host_is_the_best_text_known() -> None:
    """Name, else e-mail, else id; `people` gives the Slack id."""
    people = Directory([Person("a", "Ana"), Person("b", "", "ben@example.com")], [Person("a", slack="U0A1")])
    scene = building.scene(hosts=[{"userId": name} for name in "abc"], scene={"directory": people})
    rendered = render(scene, building.rules(), mention="host")
    assert "Hosts: Ana, ben@example.com and c" in rendered.text
    assert "For <@U0A1>, ben@example.com, c" in rendered.text


def test_the_largest_message_still_fits() -> None:
    """Everything at its longest: still one sendable message that says where the rest is."""
    names = [{"name": f"{n} " + "&<n>" * 249, "email": f"{n}" + "m" * 300 + "@x.example"} for n in range(300)]
    scene = building.scene(
        bookingTypeTitle="T&" * 500,
        booker={"name": "<b>" * 333, "email": "e" * 60 + "@" + "d" * 250, "phone": "\U0001f600" * 100},
        hosts=[{"userId": f"{n}" + "h" * 190} for n in range(300)],
        guests=names,
        location={
            "type": "t" * 100,
            **{f"k{n}": "v&" * 400 for n in range(40)},
            "u": "https://x/" + "u" * 900,
        },
        answers=[{"label": f"{n}" + "l&" * 400, "value": '"\n&' * 9_000} for n in range(60)],
        type_={"_id": "type1", "color": "teal"},
        scene={"note": "n&" * 3_000, "link": "https://x.example/" + "a" * 1_900},
    )
    phone = building.rules(show={"phone": True})
    for shown in (scene, replace(scene, type=None)):
        rendered = render(shown, phone, mention="host")
        assert_sendable(rendered)
        assert_sendable(render_reply(shown, phone, mention="host"))
        pointer = f"Shortened; see all of it with `booking-bridge events show {scene.event.id}`"
        assert pointer in rendered.text
        assert pointer in "\n".join(building.strings(building.blocks(rendered)))


def test_answers_go_first_and_in_order() -> None:
    """What is left off is the end of the answers, nothing else."""
    many = [{"label": f"Question {n}", "value": f"{n} " + "word " * 200} for n in range(40)]
    rendered = render(building.scene(answers=many), building.rules())
    shown = [text for text in building.strings(rendered.blocks) if text.startswith("Question")]
    assert shown == [f"Question {n}" for n in range(len(shown))]
    assert 5 < len(shown) < 40
    assert fitting.weight(rendered.blocks) <= fitting.ROOM
    assert "Where: Meeting channel" in rendered.text


def test_short_answers_are_all_there() -> None:
    """Nothing is said to be shortened when nothing is."""
    few = [{"label": f"Question {n}", "value": f"value {n}"} for n in range(15)]
    rendered = render(building.scene(answers=few), building.rules())
    assert "Shortened" not in building.everything(rendered)
    assert all(f"value {n}" in rendered.text for n in range(15))


def test_alerts_show_their_lines_as_they_are() -> None:
    """The bridge's own trouble keeps its backticks, and nothing in it mentions anyone."""
    rendered = render_alert(
        "Rules not loaded", ["rules.yaml:1:1: `x` <!channel>", "", "invite it: `/invite`"]
    )
    assert_sendable(rendered)
    assert rendered.blocks[1]["text"] == {
        "type": "plain_text",
        "text": "rules.yaml:1:1: `x` ‹!channel>\ninvite it: `/invite`",
        "emoji": False,
    }
    assert_sendable(render_alert("t" * 500, ["l" * 9_000]))
    assert render_alert("Fine again", []).blocks == [fitting.header(":warning: Fine again")]
