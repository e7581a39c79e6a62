"""The gate: may the candidate ship? In a loop, or alone on two registered models or two files of predictions."""

from pressrun.gates.alone import gate_files, gate_models
from pressrun.gates.evidence import Evidence, evidence_of
from pressrun.gates.judge import judge, judge_predictions
from pressrun.gates.own import GateCheck
from pressrun.gates.stage import gate

__all__ = ["Evidence", "GateCheck", "evidence_of", "gate", "gate_files", "gate_models", "judge", "judge_predictions"]
