"""Time from JPEG files to augmented batches, beside PyTorch's DataLoader.

    CUDA_VISIBLE_DEVICES= python benchmarks/image_pipeline.py

JPEG files of 500 by 375 pixels become batches of 64 normalised float pictures of 224 by 224: a
random part of half the area or more, mirrored in every second picture, with brightness, contrast
and saturation changed by at most a fifth. `mmkeras` reads them with its own `pipeline`; PyTorch's
DataLoader has 2 workers, which decode and change them with Pillow by the same calls as torchvision.
It cuts the part out before it resamples, once; `pipeline` resizes whole pictures first, to tensors
that can be cached, and then cuts. Both resize with the same triangle filter.
Each runs in processes of its own, in turns; the first epoch does not count, medians do. An epoch
goes through the files four times: TensorFlow prepares its graphs anew at the beginning of each,
which takes as long as hundreds of pictures do, while workers of the DataLoader stay; how long the
first batch of an epoch takes stands beside. The table goes to
`benchmarks/results/image_pipeline.md`.
"""

import io
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import contest
import numpy as np
from PIL import Image, ImageEnhance

THREADS = 2
FILES, TIMES, BATCH, SIDE = 512, 4, 64, 224
PICTURES = FILES * TIMES
ROUNDS, EPOCHS = 3, 2
AREA, JITTER = 0.5, 0.2
RESULTS = Path(__file__).parent / "results" / "image_pipeline.md"
ALL, RESIZED, DECODED = "all", "decoded and resized", "decoded"


def photo(seed: int, height: int = 375, width: int = 500) -> bytes:
    """A JPEG of smooth random colours at all scales, as large as one of a photo: 40 kB."""
    draw = np.random.default_rng(seed)
    levels = np.zeros((height, width, 3), "float32")
    for octave in range(1, 9):
        cells = draw.integers(0, 256, (2**octave + 1, 2**octave * 4 // 3 + 1, 3), "uint8")
        finer = Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)
        levels += 0.68**octave * np.asarray(finer, "float32")
    levels = (levels - levels.min()) / np.ptp(levels) * 255
    file = io.BytesIO()
    Image.fromarray(levels.astype("uint8")).save(file, "JPEG", quality=92)
    return file.getvalue()


def in_mmkeras(folder: Path, what: str) -> Iterable[object]:
    """An epoch of batches of the package's pipeline, or of pictures that are but decoded."""
    import tensorflow as tf

    import mmkeras as mm
    from mmkeras.pipeline import pipeline

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    files = sorted(map(str, folder.iterdir())) * TIMES
    if what == DECODED:
        return (
            tf.data.Dataset.from_tensor_slices(files)
            .map(lambda file: tf.io.decode_jpeg(tf.io.read_file(file)), tf.data.AUTOTUNE)
            .batch(BATCH)
            .prefetch(tf.data.AUTOTUNE)
        )
    image = mm.Image(size=SIDE, fit="stretch", min_crop=AREA, flip=True, jitter=JITTER)
    return pipeline(
        mm.sources.Table([{"photo": file} for file in files]),
        {"photo": image},
        batch_size=BATCH,
        shuffle=True,
        augment=what == ALL,
    )


class Files:
    """What a DataLoader reads: a picture for each number."""

    def __init__(self, folder: Path, what: str):
        self.files = sorted(folder.iterdir()) * TIMES
        self.what = what

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int):
        """float32 [3, H, W], as torchvision's transforms make it of Pillow's picture."""
        import torch

        picture = Image.open(self.files[number]).convert("RGB")
        if self.what == DECODED:
            return torch.from_numpy(np.array(picture))
        if self.what == ALL:
            picture = self.changed(picture, *torch.rand(8).tolist())
        else:
            picture = picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        levels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()
        return levels.to(torch.float32).div(255).sub_(0.5).div_(0.5)

    @staticmethod
    def changed(picture: Image.Image, *chance: float) -> Image.Image:
        """A random part, perhaps mirrored, in other colours."""
        area, aspect = AREA + (1 - AREA) * chance[0], (4 / 3) ** (2 * chance[1] - 1)
        width = min(round(picture.width * (area * aspect) ** 0.5), picture.width)
        height = min(round(picture.height * (area / aspect) ** 0.5), picture.height)
        left = int(chance[2] * (picture.width - width))
        top = int(chance[3] * (picture.height - height))
        picture = picture.crop((left, top, left + width, top + height))
        picture = picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        if chance[4] < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
        for kind, share in zip(kinds, chance[5:]):
            picture = kind(picture).enhance(1 + JITTER * (2 * share - 1))
        return picture


def in_torch(folder: Path, what: str) -> Iterable[object]:
    """An epoch of batches of PyTorch's DataLoader."""
    from torch.utils.data import DataLoader

    return DataLoader(
        Files(folder, what),
        batch_size=BATCH,
        shuffle=True,
        num_workers=THREADS,
        persistent_workers=True,
    )


def cpu_seconds() -> float:
    """What this process and its children, which are alive, have spent so far."""
    pids = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")


def one(contender: str, what: str, folder: str) -> list[tuple[float, float, float]]:
    """Of each epoch but the first: wall clock and CPU milliseconds of a picture, and the wall clock
    milliseconds to the first batch.
    """
    make: Callable[[Path, str], Iterable[object]]
    make = {"mmkeras": in_mmkeras, "torch": in_torch}[contender]
    batches, spent = make(Path(folder), what), []
    for _ in batches:
        pass
    for _ in range(EPOCHS):
        start, before = time.perf_counter(), cpu_seconds()
        first = None
        for _ in batches:
            first = first or time.perf_counter() - start
        took = time.perf_counter() - start, cpu_seconds() - before
        spent.append((1_000 * took[0] / PICTURES, 1_000 * took[1] / PICTURES, 1_000 * first))
    return spent


def main() -> None:
    """All of them."""
    spent: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    loads = []
    with tempfile.TemporaryDirectory() as folder:
        sizes = []
        for number in range(FILES):
            sizes.append(Path(folder, f"{number:04}.jpg").write_bytes(photo(number)))
        for _ in range(ROUNDS):
            for what in (ALL, RESIZED, DECODED):
                for contender in ("mmkeras", "torch"):
                    made = contest.in_process(__file__, contender, what, folder, threads=THREADS)
                    spent.setdefault((contender, what), []).extend(made)
                    loads.append(os.getloadavg()[0])
                    print(contender, what, np.round(made, 2).tolist(), loads[-1])
    rows = [
        "# From JPEG files to augmented batches",
        "",
        contest.machine(THREADS, "tensorflow", "torch", "pillow"),
        "",
        f"{FILES} files of 500 by 375 pixels and {np.mean(sizes) / 1000:.0f} kB, {TIMES} times in "
        f"an epoch; medians of {ROUNDS * EPOCHS} epochs. The load was {min(loads):.1f} to "
        f"{max(loads):.1f} while they ran: with more than 2, other work took its share, and CPU "
        "time is what to compare.",
        "",
        "| | pictures/s | PyTorch's | ratio | CPU ms a picture | PyTorch's | ratio | "
        "ms to the first batch | PyTorch's |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for what in (ALL, RESIZED, DECODED):
        ours, theirs = (np.median(spent[side, what], axis=0) for side in ("mmkeras", "torch"))
        cells = [1_000 / ours[0], 1_000 / theirs[0], theirs[0] / ours[0]]
        cells += [ours[1], theirs[1], theirs[1] / ours[1]]
        cells += [ours[2], theirs[2]]
        formats = (".0f", ".0f", ".2f", ".2f", ".2f", ".2f", ".0f", ".0f")
        shown = " | ".join(format(cell, form) for cell, form in zip(cells, formats))
        rows.append(f"| {what} | {shown} |")
    rows += ["", "Ratios are PyTorch's time over ours: 1.0 is the bar."]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(rows) + "\n")
    print("\n".join(rows))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(*sys.argv[2:])))
    else:
        main()
