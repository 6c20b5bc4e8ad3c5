//! Choice of the compute device: the CPU, or a GPU by CUDA.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;
use tch::{Cuda, Kind, Tensor};

use super::cpu::cpu;

/// Where a command computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first GPU, if it computes; else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this number.
    Cuda(usize),
}

/// A device that is none of those.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("`{0}` is no device, expected auto, cpu, cuda or cuda:N with the number of a GPU")]
pub struct UnknownDevice(String);

/// A device that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// This libtorch has no CUDA.
    #[error(
        "cuda:{0} was asked for, but this program is built for the CPU alone: scripts/build-cuda.sh builds it for GPUs; \
         to compute without one: --device cpu"
    )]
    NoCuda(usize),
    /// Its CUDA finds no GPU.
    #[error(
        "cuda:{0} was asked for, but CUDA finds no GPU: it needs one, NVIDIA's driver of version 525.60 or newer, and \
         the permission to use them; to compute without one: --device cpu"
    )]
    NoGpu(usize),
    /// There are fewer.
    #[error("cuda:{index} was asked for, but the last of the GPUs here is cuda:{last}")]
    NoSuchGpu {
        /// The number that was asked for.
        index: usize,
        /// The highest one there is.
        last: usize,
    },
    /// It is there and does not compute.
    #[error("cuda:{index} does not compute: {reason}; to compute without it: --device cpu")]
    Broken {
        /// Its number.
        index: usize,
        /// What CUDA says.
        reason: String,
    },
}

impl DeviceChoice {
    /// The device.
    ///
    /// # Errors
    /// If a GPU that is asked for is not there or does not compute.
    pub fn open(self) -> Result<Device, DeviceError> {
        match self {
            Self::Cpu => Ok(cpu()),
            Self::Cuda(index) => cuda(index),
            Self::Auto => Ok(cuda(0).unwrap_or_else(|_| cpu())),
        }
    }
}

/// A GPU that has multiplied something.
fn cuda(index: usize) -> Result<Device, DeviceError> {
    let count = usize::try_from(Cuda::device_count()).unwrap_or_default();
    match count.checked_sub(1) {
        None if !tch::utils::has_cudart() => return Err(DeviceError::NoCuda(index)),
        None => return Err(DeviceError::NoGpu(index)),
        Some(last) if last < index => return Err(DeviceError::NoSuchGpu { index, last }),
        Some(_) => {}
    }
    cpu(); // what stays on the CPU has its threads
    let product = || {
        let ones = Tensor::f_ones([8, 8], (Kind::Float, tch::Device::Cuda(index)))?;
        f64::try_from(ones.f_matmul(&ones)?.f_sum(Kind::Float)?)
    };
    match product() {
        Ok(512.0) => Ok(Device::libtorch_cuda(index)),
        Ok(sum) => {
            let reason = format!("a product of ones has the sum {sum}, expected 512");
            Err(DeviceError::Broken { index, reason })
        }
        Err(error) => {
            let reason = error.to_string();
            Err(DeviceError::Broken { index, reason: reason.lines().next().unwrap_or_default().to_owned() })
        }
    }
}

/// The number of a device that is a GPU.
pub fn gpu_of(device: &Device) -> Option<usize> {
    let device = device.clone().inner();
    let mut gpus = 0..usize::try_from(Cuda::device_count()).unwrap_or_default();
    gpus.find(|&index| device == Device::libtorch_cuda(index))
}

/// Whether a device is a GPU.
pub fn is_gpu(device: &Device) -> bool {
    gpu_of(device).is_some()
}

/// How a manifest records a device: its name, the version of libtorch, and threads or the version of CUDA.
pub fn describe(device: &Device) -> String {
    let libtorch = concat!("libtorch ", env!("LIBTORCH_VERSION"));
    match gpu_of(device) {
        Some(index) => format!("cuda:{index}, {libtorch}, CUDA runtime {}", tch::utils::version_cudart()),
        None => format!("cpu, {libtorch}, {} threads", tch::get_num_threads()),
    }
}

impl FromStr for DeviceChoice {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> Result<Self, UnknownDevice> {
        let unknown = || UnknownDevice(text.to_owned());
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let index = text.strip_prefix("cuda:").and_then(|index| index.parse().ok());
                index.map(Self::Cuda).ok_or_else(unknown)
            }
        }
    }
}

impl fmt::Display for DeviceChoice {
    /// As it is given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_known_by_its_name() {
        for (text, expected) in [
            ("auto", DeviceChoice::Auto),
            ("cpu", DeviceChoice::Cpu),
            ("cuda:0", DeviceChoice::Cuda(0)),
            ("cuda:3", DeviceChoice::Cuda(3)),
        ] {
            assert_eq!((text.parse(), expected.to_string()), (Ok(expected), text.to_owned()));
        }
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        for text in ["gpu", "cuda:", "cuda:-1", "cuda:x", "CPU", ""] {
            let error = text.parse::<DeviceChoice>().unwrap_err().to_string();
            assert!(error.contains("expected auto, cpu, cuda"), "{error}");
        }
    }

    /// A GPU beyond all that there are; where there is none, `auto` is the CPU.
    #[test]
    fn what_is_not_there_is_named() {
        let error = DeviceChoice::Cuda(1000).open().unwrap_err().to_string();
        assert!(error.contains("cuda:1000 was asked for"), "{error}");
        assert_eq!(DeviceChoice::Cpu.open().unwrap(), cpu());
        if Cuda::device_count() == 0 {
            assert!(error.ends_with("to compute without one: --device cpu"), "{error}");
            assert_eq!(DeviceChoice::Auto.open().unwrap(), cpu());
        }
    }

    #[test]
    fn a_manifest_records_versions_as_they_are() {
        let said = describe(&cpu().autodiff());
        assert!(said.starts_with("cpu, libtorch 2.") && said.ends_with(" threads"), "{said}");
    }
}
