"""A checkpoint directory: which of its files hold the model, which are not needed, and which cannot be read here.

Names are those of ResembleAI's repositories on Hugging Face: `chatterbox`, `chatterbox-turbo`, `chatterbox-nano` and
the language packs `Chatterbox-Multilingual-*`. Upstream's newest loader (`mtl_tts.py`) reads `s3gen` with every T3, and
the multilingual T3 that it is told to: `v2`, which is its default, `v3`, or any other file. Turbo and Nano have a flow
and a tokenizer of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from spec.config import CHATTERBOX_SIZES, ENGLISH_T3, MULTILINGUAL_T3, S3GEN
from spec.files.safetensors_file import FormatError, read_header
from spec.languages import CANGJIE
from spec.text import MULTILINGUAL_TOKENIZER, TOKENIZER
from spec.turbo import NANO_T3, S3GEN_MEANFLOW, TURBO_T3
from spec.turbo_text import MERGES, SETTINGS, VOCABULARY

CHATTERBOX = "chatterbox"  # of the family, the model whose T3 is a Llama: of one language or of many
VE = "ve.safetensors"
FLOWS = (S3GEN, S3GEN_MEANFLOW)  # of Chatterbox, and of Turbo and Nano
MULTILINGUAL = (MULTILINGUAL_T3, "t3_mtl23ls_v3.safetensors")  # in the order in which upstream takes them
ALL_IN_ONE = "model.safetensors"  # of the mlx-community naming
VOICES = ("conds.pt", "conds.safetensors")  # in the order in which they are looked for
TURBO_TOKENIZER = (VOCABULARY, MERGES, SETTINGS, "added_tokens.json", "special_tokens_map.json")
COMPANIONS = (TOKENIZER, MULTILINGUAL_TOKENIZER, CANGJIE, *TURBO_TOKENIZER, *VOICES)

WEIGHTS = {".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".npz", ".gguf", ".onnx"}
SUPERSEDED = {
    "s3gen_v3": f"upstream reads {S3GEN} with every T3",
    "t3_23lang": "an older multilingual T3, of fewer text tokens, which upstream no longer reads",
}
TURBO = re.compile(r"t3_(turbo|nano)(_\w+)?")
SHARD = re.compile(r"(.+)-\d+-of-(\d+)")


@dataclass
class Contents:
    """The files of a checkpoint directory: weights, other files of the model, and the rest by name with a reason.

    `unneeded` may give no reason, `refused` names weights that may be of the model and cannot be read here.
    """

    folder: Path
    weights: list[Path] = field(default_factory=list)
    companions: list[Path] = field(default_factory=list)
    unneeded: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def t3(self) -> list[Path]:
        """The files that hold a T3 alone."""
        return [file for file in self.weights if file.name.startswith("t3_")]

    def flows(self) -> list[str]:
        """The files of the flow that the T3 need; without a T3 the one that is there."""
        if self.t3:
            return sorted({flow_of(file) for file in self.t3})
        return [S3GEN_MEANFLOW if self.folder / S3GEN_MEANFLOW in self.weights else S3GEN]

    def problems(self) -> Iterator[tuple[str, str]]:
        """Why the weights are not those of one model, each part once: the file that each reason is about, in words."""
        if self.refused:  # they may be what seems to be missing
            yield from self.refused.items()
            return
        names = [file.name for file in self.weights]
        if ALL_IN_ONE in names:
            yield from ((name, f"holds what {ALL_IN_ONE} does; keep one") for name in names if name != ALL_IN_ONE)
            return
        for name in (*self.flows(), VE):
            if name not in names:
                yield name, "is missing; fetch it, or name the file that is meant"
        if not self.t3:
            t3 = TURBO_T3 if self.flows() == [S3GEN_MEANFLOW] else ENGLISH_T3
            yield t3, "is missing, and there is no other T3; fetch it, or name the file that is meant"

    def check(self) -> None:
        """Raises `ValueError` with all problems."""
        if problems := [f"{name} {reason}" for name, reason in self.problems()]:
            raise ValueError(f"{self.folder}: {'; '.join(problems)}")


def contents_of(folder: Path) -> Contents:
    """Every file of a directory by what it is, sorted by name. Hidden files and folders are passed over."""
    found = Contents(folder)
    for file in sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")):
        if file.name == VOICES[1] and file.with_name(VOICES[0]).is_file():
            found.unneeded[file.name] = f"{VOICES[0]} is read"
        elif file.name in COMPANIONS:
            found.companions.append(file)
        elif file.suffix not in WEIGHTS:
            found.unneeded[file.name] = ""
        elif reason := why_unneeded(file):
            found.unneeded[file.name] = reason
        elif reason := why_refused(file):
            found.refused[file.name] = reason
        else:
            found.weights.append(file)
    unread = [file for file in found.weights if file.name in FLOWS and file.name not in found.flows()]
    for file in unread if found.t3 else []:
        found.weights.remove(file)
        found.unneeded[file.name] = f"upstream reads {found.flows()[0]} with {names_of(found.t3)}"
    return found


def family_of(t3: Path) -> str:
    """The model that a T3 is of, by its file's name: `CHATTERBOX`, `turbo` or `nano`."""
    found = TURBO.fullmatch(t3.stem)
    return found[1] if found else CHATTERBOX


def flow_of(t3: Path) -> str:
    """The file of the flow that belongs to a T3."""
    return S3GEN if family_of(t3) == CHATTERBOX else S3GEN_MEANFLOW


def why_unneeded(file: Path) -> str:
    """Why a file of weights is not read although it is known, or ""."""
    if file.stem in SUPERSEDED and (file.stem.startswith("t3_") or file.with_name(S3GEN).is_file()):
        return SUPERSEDED[file.stem]
    if file.suffix != ".safetensors" and (other := file.with_suffix(".safetensors")).is_file():
        return f"{other.name} is read"
    return ""


def why_refused(file: Path) -> str:
    """Why a file of weights that may be needed cannot be read, or ""."""
    if shard := SHARD.fullmatch(file.stem):
        return f"is one of {int(shard[2])} shards, which are not read: join them in {shard[1]}.safetensors"
    if file.stem in SUPERSEDED:
        return f"is not read by upstream; fetch {S3GEN} from the repository `ResembleAI/chatterbox`"
    if file.name in (*FLOWS, VE, ALL_IN_ONE) or (file.stem.startswith("t3_") and file.suffix == ".safetensors"):
        return ""
    if file.with_suffix(".safetensors").name in (*FLOWS, VE, ENGLISH_T3, *MULTILINGUAL, TURBO_T3, NANO_T3):
        return f"is not read: fetch {file.stem}.safetensors, which is published beside it"
    return "is not a file of Chatterbox's that is known here; take it out of the directory"


def missing(file: Path) -> str:
    """That a file of weights is not there, what was expected, and what may help of that which lies in its place."""
    text = (
        f"{file}: no such file; expected a checkpoint directory as published, or one made by `python -m spec.synthetic`"
    )
    if not file.parent.is_dir():
        return text
    beside = sorted(path.name for path in file.parent.iterdir() if path.suffix in WEIGHTS)
    if (other := f"{file.stem}.pt") in beside:
        return f"{text}; {other} is not read: fetch {file.name}, which is published beside it"
    if ALL_IN_ONE in beside:
        return f"{text}; convert {ALL_IN_ONE}: `python -m mlx_impl convert`"
    if t3 := [name for name in beside if name.startswith("t3_") and file.name.startswith("t3_")]:
        return f"{text}; there is {', '.join(t3)}"
    return text


def t3_named(wanted: str, there: list[Path]) -> Path:
    """The T3 that is meant by its file's name, with or without suffix, or by what that ends in: `v3`, `pt_br`.

    Raises `ValueError` where none of those that are there is meant, or more than one.
    """
    stem = wanted.removesuffix(".safetensors")
    meant = [file for file in there if file.stem == stem] or [f for f in there if f.stem.endswith(f"_{stem}")]
    if len(meant) != 1:
        raise ValueError(f"--t3 is {wanted!r}, expected one of {names_of(there)}")
    return meant[0]


def names_of(files: list[Path]) -> str:
    """The stems of files, for a sentence."""
    return ", ".join(file.stem for file in files) or "none: there is no T3"


def size_of(folder: Path) -> str | None:
    """Which of `CHATTERBOX_SIZES` a checkpoint has, whatever its naming and layout, by the widths of its embeddings.

    None where no whole file says it.
    """
    for name in (*FLOWS, ALL_IN_ONE):
        try:
            shapes = {entry.shape for entry in read_header(folder / name).entries.values()}
        except (OSError, FormatError):
            continue
        for size, config in CHATTERBOX_SIZES.items():
            if (config.flow.encoder.vocab_size, config.flow.encoder.width) in shapes:
                return size
    return None
