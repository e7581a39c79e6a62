"""The model's folder as MLServer reads it: prepare.py STORE."""

import shutil
import sys
from pathlib import Path

import joblib
from benchmark_model import FOLDER, KIND, pipeline

HERE, STORE = Path(__file__).parent, Path(sys.argv[1])
STORE.mkdir(parents=True)
shutil.copy(HERE / "settings.json", STORE / "settings.json")
shutil.copy(HERE / f"{KIND}.json", STORE / "model-settings.json")
match KIND:
    case "gbdt":
        shutil.copy(FOLDER / "model.txt", STORE / "model.bst")
    case "text":
        joblib.dump(pipeline(), STORE / "model.joblib")
    case "transformer":
        shutil.copy(HERE / "minilm.py", STORE / "minilm.py")
