"""The doctor: asks every part, here and outside, whether it is in order. It changes and posts nothing."""

from bridge.doctor.examination import examine
from bridge.doctor.findings import Finding
from bridge.doctor.say import read_place, say

__all__ = ["Finding", "examine", "read_place", "say"]
