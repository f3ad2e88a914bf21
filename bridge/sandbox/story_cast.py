"""Who plays in the demo's story: three booking types, five hosts, and the people who book."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

INTRO, PANEL, SUPPORT = "Intro Call", "Panel interview", "Support session"

CHANNELS = {INTRO: "#sales", PANEL: "#interviews", SUPPORT: "#support"}
"""Where each booking type's messages are expected."""
WATCH = "#bookings"
"""Where no-shows and declines are expected too."""
WATCHED = ("booking.no_show", "booking.declined")


@dataclass(frozen=True, slots=True)
class Person:
    """A host, known to Copera by `id` and to Slack by `slack_id`, with the same address in both."""

    id: str
    slack_id: str
    name: str
    email: str
    title: str


ANA = Person("665f00000000000000000001", "U0ANA00001", "Ana Lima", "ana@example.com", "Account executive")
BEN = Person("665f00000000000000000002", "U0BEN00002", "Ben Okafor", "ben@example.com", "Engineering manager")
CHLOE = Person(
    "665f00000000000000000003", "U0CHLOE003", "Chloé Martin", "chloe@example.com", "Staff engineer"
)
DEV = Person("665f00000000000000000004", "U0DEV00004", "Dev Patel", "dev@example.com", "Support engineer")
EMI = Person("665f00000000000000000005", "U0EMI00005", "Emi Tanaka", "emi@example.com", "Support engineer")
HOSTS = (ANA, BEN, CHLOE, DEV, EMI)

TYPES: Mapping[str, Mapping[str, Any]] = {
    INTRO: {
        "kind": "SOLO",
        "hosts": [ANA.id],
        "minutes": 30,
        "color": "#4F46E5",
        "type_id": "665f0000000000000000000a",
    },
    PANEL: {
        "kind": "COLLECTIVE",
        "hosts": [BEN.id, CHLOE.id, EMI.id],
        "minutes": 60,
        "color": "#059669",
        "type_id": "665f0000000000000000000b",
    },
    SUPPORT: {
        "kind": "ROUND_ROBIN",
        "hosts": [DEV.id, EMI.id],
        "minutes": 45,
        "color": "#D97706",
        "type_id": "665f0000000000000000000c",
    },
}


@dataclass(frozen=True, slots=True)
class Visit:
    """A booking of the story: who books what, `days` from today at `hour` UTC."""

    uid: str
    type: str
    name: str
    days: int
    hour: int
    zone: str
    answers: Mapping[str, Any] = field(default_factory=dict)
    pending: bool = False
    hosts: tuple[str, ...] = ()
    guests: tuple[Any, ...] = ()
    location: Mapping[str, Any] = field(default_factory=lambda: {"type": "MEETING_CHANNEL"})

    @property
    def booker(self) -> dict[str, Any]:
        """The booker as Copera tells it."""
        address = self.name.lower().replace(" ", ".").encode("ascii", "ignore").decode()
        return {
            "name": self.name,
            "email": f"{address}@example.org",
            "phone": "+15551230000",
            "timezone": self.zone,
            "locale": "en",
        }

    def start(self, today: datetime) -> datetime:
        """When it begins, in UTC."""
        midnight = today.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(days=self.days, hours=self.hour)


ALICE = Visit(
    "bk_alice_intro",
    INTRO,
    "Alice Booker",
    3,
    15,
    "America/Sao_Paulo",
    {"Topic": "Pricing for 200 seats", "Company size": 200, "Uses a competitor": True},
    pending=True,
    guests=("cfo@example.org",),
)
MATEO = Visit("bk_mateo_intro", INTRO, "Mateo Rossi", 2, 9, "Europe/Rome", {"Topic": "A *demo* <for> R&D"})
NOOR = Visit("bk_noor_intro", INTRO, "Noor Haddad", -1, 10, "Asia/Dubai", {"Topic": "Renewal"})
OLGA = Visit(
    "bk_olga_intro", INTRO, "Olga Petrova", 5, 13, "Europe/Berlin", {"Topic": "Résumé of needs"}, pending=True
)
YUKI = Visit(
    "bk_yuki_panel",
    PANEL,
    "Yuki Sato",
    4,
    8,
    "Asia/Tokyo",
    {"Role": "Backend engineer", "Languages": ["Python", "Go"], "Portfolio": "https://example.org/yuki"},
    guests=({"name": "Rita Recruiter", "email": "rita@example.org"},),
    location={"type": "VIDEO", "url": "https://meet.example.org/panel"},
)
WALT = Visit(
    "bk_walt_panel", PANEL, "Walt Jansen", 6, 14, "America/New_York", {"Role": "Designer", "Languages": []}
)
PRIYA = Visit(
    "bk_priya_support",
    SUPPORT,
    "Priya Nair",
    1,
    7,
    "Asia/Kolkata",
    {"What happens": "Sync stops after an hour\nand nothing is logged", "Severity": 2},
    hosts=(DEV.id,),
    location={"type": "PHONE", "phone": "+15557654321"},
)
SAM = Visit(
    "bk_sam_support", SUPPORT, "Sam O'Neil", 2, 16, "America/Chicago", {"Severity": 4}, hosts=(DEV.id,)
)
VISITS = (ALICE, MATEO, NOOR, OLGA, YUKI, WALT, PRIYA, SAM)
