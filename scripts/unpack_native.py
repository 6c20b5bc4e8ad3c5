"""Take the native libraries out of their wheels: unpack_native.py WHEEL_DIR TARGET_DIR.

TARGET_DIR/libtorch     headers and the CPU part of libtorch 2.9.0, laid out as the official archive
TARGET_DIR/onnxruntime  libonnxruntime.so

The torch wheel for x86-64 Linux is a CUDA build. Its CPU library links against CUPTI and the CUDA
runtime but needs no GPU, so those two small libraries are all that is taken of CUDA.
"""

import shutil
import sys
import zipfile
from pathlib import Path


def extract(wheel: zipfile.ZipFile, member: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with wheel.open(member) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)


def open_wheel(folder: Path, prefix: str) -> zipfile.ZipFile:
    wheels = list(folder.glob(f"{prefix}-*.whl"))
    if len(wheels) != 1:
        sys.exit(f"error: expected one {prefix} wheel in {folder}, found {len(wheels)}")
    return zipfile.ZipFile(wheels[0])


def main(wheel_dir: Path, target_dir: Path) -> None:
    libtorch = target_dir / "libtorch"
    libraries = {
        "torch": ["torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/lib/libgomp.so.1"],
        "nvidia_cuda_cupti_cu12": ["nvidia/cuda_cupti/lib/libcupti.so.12"],
        "nvidia_cuda_runtime_cu12": ["nvidia/cuda_runtime/lib/libcudart.so.12"],
    }
    for prefix, members in libraries.items():
        with open_wheel(wheel_dir, prefix) as wheel:
            for member in members:
                extract(wheel, member, libtorch / "lib" / Path(member).name)
            if prefix == "torch":
                for member in wheel.namelist():
                    if member.startswith("torch/include/") and not member.endswith("/"):
                        extract(wheel, member, target_dir / "libtorch" / member.removeprefix("torch/"))
    (libtorch / "lib" / "libgomp.so").symlink_to("libgomp.so.1")
    # Linking against "torch" means the CPU library: the wheel's own libtorch.so pulls in CUDA.
    (libtorch / "lib" / "libtorch.so").write_text("INPUT(libtorch_cpu.so)\n")
    (libtorch / "build-version").write_text("2.9.0\n")

    with open_wheel(wheel_dir, "onnxruntime") as wheel:
        extract(
            wheel,
            "onnxruntime/capi/libonnxruntime.so.1.32.0",
            target_dir / "onnxruntime" / "libonnxruntime.so",
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
