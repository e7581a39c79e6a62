"""The model as MLflow saves it: prepare.py STORE."""

import sys
from pathlib import Path

import mlflow
from benchmark_model import KIND, booster, pipeline

STORE = sys.argv[1]
# The environment is made from requirements.txt: nothing is to be inferred by loading the model once more.
NOTHING_ELSE = {"pip_requirements": ["mlflow"]}
match KIND:
    case "gbdt":
        mlflow.lightgbm.save_model(booster(), STORE, **NOTHING_ELSE)
    case "text":
        mlflow.sklearn.save_model(
            pipeline(), STORE, pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle", **NOTHING_ELSE
        )
    case "transformer":
        mlflow.pyfunc.save_model(STORE, python_model=str(Path(__file__).parent / "encoder.py"), **NOTHING_ELSE)
