//! Argument for the compute device.

use anyhow::Result;
use burn::tensor::Device;
use clap::Args;
use gpt::device::DeviceChoice;

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
        Ok(self.device.open()?)
    }
}
