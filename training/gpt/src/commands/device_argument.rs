//! Argument for the compute device.

use anyhow::Result;
use burn::tensor::Device;
use clap::Args;
use gpt::device::{DeviceChoice, describe, gpu_of};

/// The device of a command.
#[derive(Args)]
pub struct DeviceArgument {
    /// Where to compute: cpu, cuda or cuda:N for a GPU; auto takes the first GPU, if it computes.
    #[arg(long, default_value_t, value_name = "auto|cpu|cuda[:N]")]
    pub device: DeviceChoice,
}

impl DeviceArgument {
    /// The device, without autodiff.
    ///
    /// # Errors
    /// If it is a GPU that is not there or does not compute.
    pub fn open(&self) -> Result<Device> {
        let device = self.device.open()?;
        if self.device == DeviceChoice::Auto && gpu_of(&device).is_some() {
            eprintln!("computing on {}", describe(&device));
        }
        Ok(device)
    }

    /// The other ones of `count` devices of which `first` is the first.
    pub fn others(&self, first: &Device, count: u16) -> Vec<DeviceChoice> {
        let gpu = gpu_of(first);
        let nth = |n: u16| gpu.map_or(DeviceChoice::Cpu, |first| DeviceChoice::Cuda(first + usize::from(n)));
        (1..count).map(nth).collect()
    }
}
