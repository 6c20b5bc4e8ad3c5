//! `gpt presets`: the built-in presets.

use anyhow::{Context, Result};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use gpt::preset::{Preset, built_in};
use indicatif::HumanCount;

/// Arguments of `gpt presets`.
#[derive(Args)]
pub struct Arguments {
    /// Print this preset, as a start for a file of your own.
    pub name: Option<String>,
}

/// Prints a table of all presets, or one as TOML.
///
/// # Errors
/// If there is no preset of this name.
pub fn run(arguments: &Arguments) -> Result<()> {
    if let Some(name) = &arguments.name {
        let names: Vec<&str> = built_in().map(|(name, _)| name).collect();
        let found = built_in().find(|(built_in, _)| built_in == name);
        let (_, toml) = found
            .with_context(|| format!("there is no preset `{name}`; built in are {}", names.join(", ")))?;
        print!("{toml}");
        return Ok(());
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["preset", "parameters", "context", "epochs", "learning rate", "texts"]);
    for (name, _) in built_in() {
        let Preset { model, training, corpus, .. } = Preset::named(name, &[])?;
        table.add_row([
            name.to_owned(),
            HumanCount(model.num_parameters() as u64).to_string(),
            model.context_length.to_string(),
            training.epochs.to_string(),
            format!("{:e}", training.learning_rate),
            corpus.map_or_else(
                || "--corpus".to_owned(),
                |corpus| format!("{} of its own", corpus.sources.len()),
            ),
        ]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        if (1..5).contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{}", table.trim_fmt());
    Ok(())
}
