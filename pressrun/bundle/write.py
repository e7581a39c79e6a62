"""Writes a bundle: the same parts give the same bytes, so the same digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from safetensors.numpy import save as save_tensors

from pressrun.bundle.bundle import Bundle, load_bundle
from pressrun.bundle.errors import BundleError
from pressrun.bundle.hashed_ngrams import HashedNgrams
from pressrun.bundle.manifest import MANIFEST, MAX_FILE_BYTES, File, Input, Manifest, Task
from pressrun.bundle.models import Lightgbm, Linear
from pressrun.bundle.preprocessing import CenteredEmbeddings, DeclaredStep
from pressrun.bundle.read import read_step
from pressrun.bundle.specs import (
    FILE_KEYS,
    HashedStep,
    LightgbmSpec,
    LinearSpec,
    ModelSpec,
    OnnxSpec,
    PreprocessingStep,
    Softmax,
    StaticStep,
    TfidfStep,
    TokenizerStep,
)
from pressrun.bundle.static_embeddings import TENSOR
from pressrun.bundle.tfidf import Tfidf
from pressrun.bundle.transformer import TextTokenizer, Transformer
from pressrun.bundle.vocabulary import dump_vocabulary

Spec = PreprocessingStep | ModelSpec


@contextmanager
def _refused_by_name() -> Iterator[None]:
    """What none can hold is told in one line, by its name and its rule."""
    try:
        yield
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        named, given = ".".join(map(str, wrong["loc"])), repr(wrong["input"])[:100]
        said = f"{named}: {wrong['msg']}, given was {given}" if named else wrong["msg"]
        raise BundleError(f"no bundle can hold this model: {said}") from error


@_refused_by_name()
def write_bundle(
    folder: str | Path,
    *,
    name: str,
    model: Linear | Lightgbm | Transformer,
    steps: Sequence[DeclaredStep] = (),
    labels: Sequence[str] = (),
    slope: float | None = None,
    task: Task = "classification",
    input: Input = "article_text",
    columns: Sequence[str] | None = None,
    memory: int | None = None,
    family: str = "",
    taxonomy_version: str = "",
) -> Bundle:
    """Writes the parts into `folder` (made if missing, else empty) and loads them back from there.

    `slope` calibrates a classification's probabilities; only LightGBM's own may go without. `columns` names the numbers
    of an input of columns. `memory` is how many bytes the loaded model may take. Raises BundleError for parts that do
    not go together, and leaves nothing of them behind.
    """
    parts = [*steps, *([model.tokenizer] if isinstance(model, Transformer) else []), model]
    written = _apart([_written(part) for part in parts])
    files = {name: content for _, contents in written for name, content in contents.items()}
    manifest = Manifest.model_validate(
        {
            "name": name,
            "labels": tuple(labels),
            "family": family,
            "taxonomy_version": taxonomy_version,
            "task": task,
            "input": input,
            "columns": None if columns is None else tuple(columns),
            "memory": memory,
            "preprocessing": [spec.model_dump() for spec, _ in written[:-1]],
            "model": written[-1][0].model_dump(),
            "calibration": None if slope is None else Softmax(slope=slope).model_dump(),
            "files": {name: _file(content).model_dump() for name, content in files.items()},
        }
    )
    with _taken_back_where_refused(Path(folder)) as put:
        put({**files, MANIFEST: manifest.canonical()})
        return load_bundle(folder, digest=manifest.digest)


@_refused_by_name()
def stored(step: DeclaredStep) -> DeclaredStep:
    """The step as a bundle gives it back, in the digits that it keeps. Raises BundleError for what none can hold."""
    spec, files = _step(step)
    for name, content in files.items():
        if len(content) > MAX_FILE_BYTES:
            raise BundleError(f"{name} has {len(content):,} bytes, a bundle's file has {MAX_FILE_BYTES:,} at the most")
    return read_step(spec, files)


def _apart(written: Sequence[tuple[Spec, dict[str, bytes]]]) -> list[tuple[Spec, dict[str, bytes]]]:
    """Parts of one kind would share their files' names: those after the first have their place in theirs."""
    taken: set[str] = set()
    apart = []
    for place, (spec, files) in enumerate(written, 1):
        names = {name: name.replace(".", f"_{place}.") if name in taken else name for name in files}
        renamed = {key: names[str(value)] for key, value in spec if key in FILE_KEYS}
        apart.append((spec.model_copy(update=renamed), {names[name]: content for name, content in files.items()}))
        taken |= set(files)
    return apart


@contextmanager
def _taken_back_where_refused(folder: Path) -> Iterator[Callable[[Mapping[str, bytes]], None]]:
    """What puts files into the folder; where anything raises, they go again, and the folders that were made for them.

    Raises FileExistsError for a folder that is not empty.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; a bundle is written once into a folder of its own")
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    made: list[Path] = []

    def put(files: Mapping[str, bytes]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            with (folder / name).open("xb") as file:  # never another's, who began at the same time
                made.append(folder / name)
                file.write(content)

    try:
        yield put
    except BaseException:
        # The reason of the refusal is worth more than that of what cannot be taken back.
        with suppress(OSError):
            for path in made:
                path.unlink(missing_ok=True)
            for place in missing:
                place.rmdir()
        raise


def _file(content: bytes) -> File:
    return File(sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def _written(part: DeclaredStep | TextTokenizer | Linear | Lightgbm | Transformer) -> tuple[Spec, dict[str, bytes]]:
    match part:
        case Linear():
            return _linear(part)
        case Lightgbm():
            return LightgbmSpec(text="model.txt"), {"model.txt": part.text.encode()}
        case Transformer():
            options = {"pooling": part.pooling, "normalize": part.normalize, "precision": part.precision}
            return OnnxSpec.model_validate({"graph": "model.onnx", **options}), {"model.onnx": part.graph}
        case TextTokenizer():
            spec = TokenizerStep(tokenizer="tokenizer.json", max_tokens=part.max_tokens)
            return spec, {spec.tokenizer: part.tokenizer.to_str().encode()}
        case _:
            return _step(part)


def _step(part: DeclaredStep) -> tuple[TfidfStep | StaticStep | HashedStep, dict[str, bytes]]:
    match part:
        case Tfidf():
            return _tfidf(part)
        case HashedNgrams():
            return HashedStep(columns=part.columns, ngrams=part.ngram_range), {}
        case CenteredEmbeddings():
            return _static(part)


def _tfidf(part: Tfidf) -> tuple[TfidfStep, dict[str, bytes]]:
    if sorted(part.vocabulary.values()) != list(range(len(part.idf))):
        raise BundleError(f"the vocabulary must number its n-grams by columns 0 to {len(part.idf) - 1}, one each")
    spec = TfidfStep(
        ngrams=part.ngram_range,
        sublinear_tf=part.sublinear_tf,
        vocabulary="tfidf_vocabulary.json",
        weights="tfidf.safetensors",
    )
    return spec, {
        spec.vocabulary: dump_vocabulary(part.vocabulary),
        spec.weights: save_tensors({"idf": part.idf.astype(np.float32)}),
    }


def _static(part: CenteredEmbeddings) -> tuple[StaticStep, dict[str, bytes]]:
    spec = StaticStep(
        scale=part.scale, weights="static.safetensors", center="static_center.safetensors", tokenizer="tokenizer.json"
    )
    return spec, {
        spec.weights: save_tensors({TENSOR: part.embeddings.weights.astype(np.float16)}),
        spec.center: save_tensors({"center": part.center.astype(np.float32)}),
        spec.tokenizer: part.embeddings.tokenizer.to_str().encode(),
    }


def _linear(part: Linear) -> tuple[Spec, dict[str, bytes]]:
    tensors = {
        "coefficients": np.ascontiguousarray(part.coefficients, dtype=np.float32),
        "intercept": part.intercept.astype(np.float32),
    }
    return LinearSpec(weights="model.safetensors"), {"model.safetensors": save_tensors(tensors)}
