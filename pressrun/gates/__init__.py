"""The gate: may the candidate ship? In a loop, on two bundles, or alone on files of predictions."""

from pressrun.gates.evidence import Evidence, evidence_of
from pressrun.gates.judge import gate_files, judge, judge_predictions
from pressrun.gates.own import GateCheck
from pressrun.gates.stage import gate

__all__ = ["Evidence", "GateCheck", "evidence_of", "gate", "gate_files", "judge", "judge_predictions"]
