//! Adapters of Hugging Face's peft: a low-rank change of a GPT-2 in a folder of its own.
//!
//! | here | peft, for `GPT2LMHeadModel` |
//! |---|---|
//! | `a`, `[d_in, rank]` | `lora_A.weight`, its transpose |
//! | `b`, `[rank, d_out]` | `lora_B.weight`, its transpose |
//! | queries, keys and values | thirds of `c_attn`, which has one change for all of them |
//! | `scale` | `lora_alpha / r`; with `use_rslora`, `lora_alpha / sqrt(r)` |
//!
//! The change of `c_attn` that stands for three of rank `r` has rank `3 r`: their matrices `A` one above the other, and
//! their matrices `B` along the diagonal. A third that is not adapted has none of these rows. peft takes a rank and an
//! alpha for each module: `rank_pattern` and `alpha_pattern`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Param;
use burn::tensor::{Device, Tensor};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{ImportError, SaveError};
use super::safetensors::{Columns, write};
use super::small_file::read_small;
use super::tensor_file::TensorFile;
use super::tokenizer_export::write_json;
use crate::model::{Adapters, Gpt, Lora, LoraSettings, LoraTarget};

/// File name of an adapter.
pub const ADAPTER: &str = "adapter_model.safetensors";
/// File name of its settings.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";

/// Larger than any settings are.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// Names of tensors: the number of a block, a module and a matrix.
const NAMES: &str = r"^base_model\.model\.(?:transformer\.)?h\.(\d+)\.(attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.lora_([AB])\.weight$";

/// Writes what was learned in place of the weights of a model of `n_layers` blocks into a folder, as peft does, for a base
/// model of this name.
///
/// # Errors
/// If a file cannot be written.
pub fn save_adapter(
    adapters: &Adapters,
    settings: &LoraSettings,
    n_layers: usize,
    base: &str,
    folder: &Path,
) -> Result<(), SaveError> {
    let modules = Module::of(&settings.targets);
    let targets = settings.targets.len();
    let mut tensors = BTreeMap::new();
    for (block, changes) in (0..n_layers).zip(adapters.changes.chunks(targets)) {
        let of_target =
            LoraTarget::ALL.into_iter().filter(|target| settings.targets.contains(target)).zip(changes);
        let by_target: BTreeMap<LoraTarget, &Lora> = of_target.collect();
        for module in &modules {
            let [a, b] = module.matrices(&by_target);
            for (name, matrix) in [("A", a), ("B", b)] {
                let name =
                    format!("base_model.model.transformer.h.{block}.{}.lora_{name}.weight", module.name);
                let columns: &mut Columns = tensors.entry(name).or_default();
                columns.push(matrix.dims().to_vec(), move || matrix.to_data());
            }
        }
    }
    write(tensors, &folder.join(ADAPTER))?;
    write_json(&configuration(settings, &modules, base), &folder.join(ADAPTER_CONFIG))
}

/// `adapter_config.json`.
fn configuration(settings: &LoraSettings, modules: &[Module], base: &str) -> Value {
    let LoraSettings { rank, alpha, dropout, .. } = *settings;
    // Of several thirds, rank and alpha are multiples, so that the scale stays.
    let pattern = |value: &dyn Fn(usize) -> Value| -> Value {
        let several = modules.iter().filter(|module| module.targets.len() > 1);
        several.map(|module| (module.name.to_owned(), value(module.targets.len()))).collect()
    };
    json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": dropout,
        "target_modules": modules.iter().map(|module| module.name).collect::<Vec<_>>(),
        "rank_pattern": pattern(&|count| json!(count * rank)),
        "alpha_pattern": pattern(&|count| json!(count as f64 * alpha)),
        "fan_in_fan_out": true,
        "bias": "none",
        "inference_mode": true,
        "init_lora_weights": true,
        "modules_to_save": null,
        "use_dora": false,
        "use_rslora": false,
    })
}

/// A module of Hugging Face's GPT-2, and what of it is adapted.
struct Module {
    name: &'static str,
    /// In their order; three of them side by side, or one.
    targets: Vec<LoraTarget>,
}

/// The thirds of `c_attn`.
const THIRDS: [LoraTarget; 3] = [LoraTarget::Query, LoraTarget::Key, LoraTarget::Value];

impl Module {
    /// The modules with these targets.
    fn of(targets: &[LoraTarget]) -> Vec<Self> {
        let all: [(&str, &[LoraTarget]); 4] = [
            ("attn.c_attn", &THIRDS),
            ("attn.c_proj", &[LoraTarget::Output]),
            ("mlp.c_fc", &[LoraTarget::Expand]),
            ("mlp.c_proj", &[LoraTarget::Contract]),
        ];
        let adapted = all.into_iter().map(|(name, of_module)| Self {
            name,
            targets: of_module.iter().copied().filter(|target| targets.contains(target)).collect(),
        });
        adapted.filter(|module| !module.targets.is_empty()).collect()
    }

    /// `lora_A`, `[rank, d_in]`, and `lora_B`, `[d_out, rank]`.
    fn matrices(&self, changes: &BTreeMap<LoraTarget, &Lora>) -> [Tensor<2>; 2] {
        let own: Vec<(usize, [Tensor<2>; 2])> = self
            .targets
            .iter()
            .filter_map(|target| {
                let third = THIRDS.iter().position(|third| third == target).unwrap_or(0);
                let lora = changes.get(target)?;
                let of = |matrix: &Param<Tensor<2>>| matrix.val().without_autodiff().transpose();
                Some((third, [of(&lora.a), of(&lora.b)]))
            })
            .collect();
        let a = Tensor::cat(own.iter().map(|(_, [a, _])| a.clone()).collect(), 0);
        if self.name != "attn.c_attn" {
            return [a, own[0].1[1].clone()];
        }
        let [d_out, rank] = own[0].1[1].dims();
        let mut b = Tensor::zeros([3 * d_out, rank * own.len()], &a.device());
        for (place, (third, [_, of_third])) in own.into_iter().enumerate() {
            let (rows, columns) = (third * d_out, place * rank);
            b = b.slice_assign([rows..rows + d_out, columns..columns + rank], of_third);
        }
        [a, b]
    }
}

/// What is read of `adapter_config.json`.
#[derive(Debug, Deserialize)]
struct Configuration {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    rank_pattern: BTreeMap<String, usize>,
    #[serde(default)]
    alpha_pattern: BTreeMap<String, f64>,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    bias: Option<String>,
    modules_to_save: Option<Vec<String>>,
}

/// Works the adapter in a folder into the weights of a model.
///
/// # Errors
/// If it cannot be read, is of another kind or shape, or changes what this model does not have.
pub fn merge_adapter(mut model: Gpt, folder: &Path) -> Result<Gpt, ImportError> {
    let path = folder.join(ADAPTER_CONFIG);
    let refuse = |path: PathBuf, problem: String| ImportError::Adapter { path, problem };
    let json = read_small(&path, MAX_CONFIG_BYTES)?.ok_or_else(|| ImportError::NoFile {
        path: folder.to_owned(),
        looked_for: ADAPTER_CONFIG.to_owned(),
    })?;
    let config: Configuration =
        serde_json::from_slice(&json).map_err(|error| refuse(path.clone(), error.to_string()))?;
    if let Some(problem) = config.unsupported() {
        return Err(refuse(path, problem));
    }
    let file = TensorFile::open(&folder.join(ADAPTER))?;
    let changes = changes(&file, &config, model.config().n_layers, &model.device())?;
    let d_model = model.config().d_model;
    let mut block = 0;
    let mut mismatch = None;
    model.each_linear(|target, linear| {
        let (module, third) = match THIRDS.iter().position(|third| *third == target) {
            Some(third) => ("attn.c_attn", Some(third)),
            None => (Module::of(&[target])[0].name, None),
        };
        if let Some(change) = changes.get(&(block, module.to_owned())) {
            let [d_in, d_out] = linear.weight.dims();
            let expected = [d_in, if third.is_some() { 3 * d_model } else { d_out }];
            if change.dims() != expected {
                let found = change.dims();
                mismatch =
                    Some(format!("it changes a matrix of {found:?} in {module}, the model has {expected:?}"));
                return;
            }
            let change = match third {
                Some(third) => change.clone().narrow(1, third * d_out, d_out),
                None => change.clone(),
            };
            let sum = linear.weight.val().without_autodiff() + change;
            linear.weight = linear.weight.clone().map(|_| sum);
        }
        block += usize::from(target == LoraTarget::Contract);
    });
    match mismatch {
        Some(problem) => Err(refuse(file.path, problem)),
        None => Ok(model),
    }
}

impl Configuration {
    /// What of it is not supported.
    fn unsupported(&self) -> Option<String> {
        if self.peft_type != "LORA" {
            return Some(format!("`peft_type` is {}, expected LORA", self.peft_type));
        }
        if self.use_dora {
            return Some("`use_dora` is true, expected plain LoRA".to_owned());
        }
        if let Some(bias) = self.bias.as_ref().filter(|bias| *bias != "none") {
            return Some(format!("`bias` is {bias}, expected none"));
        }
        let saved = self.modules_to_save.as_ref().filter(|modules| !modules.is_empty())?;
        Some(format!("`modules_to_save` is {saved:?}, expected none: these modules are whole, not low-rank"))
    }

    /// What the product of the matrices of a module is multiplied by.
    fn scale(&self, module: &str) -> f64 {
        let rank = pattern(&self.rank_pattern, module).copied().unwrap_or(self.r) as f64;
        let alpha = pattern(&self.alpha_pattern, module).copied().unwrap_or(self.lora_alpha);
        if self.use_rslora { alpha / rank.sqrt() } else { alpha / rank }
    }
}

/// The value for a module: a key is the end of its name, or an expression for that.
fn pattern<'a, T>(patterns: &'a BTreeMap<String, T>, module: &str) -> Option<&'a T> {
    let matches = |key: &&String| {
        Regex::new(&format!(r"^(?:.*\.)?(?:{key})$")).is_ok_and(|expression| expression.is_match(module))
    };
    patterns.keys().find(matches).and_then(|key| patterns.get(key))
}

/// The change of each module of each block, `[d_in, d_out]`.
fn changes(
    file: &TensorFile,
    config: &Configuration,
    n_layers: usize,
    device: &Device,
) -> Result<BTreeMap<(usize, String), Tensor<2>>, ImportError> {
    let refuse = |problem: String| ImportError::Adapter { path: file.path.clone(), problem };
    let names = Regex::new(NAMES).map_err(|error| refuse(error.to_string()))?;
    let mut changes = BTreeMap::new();
    for name in file.names() {
        let found = names.captures(name).and_then(|found| {
            let block: usize = found[1].parse().ok()?;
            (block < n_layers).then(|| (block, found[2].to_owned(), found[3] == *"A"))
        });
        let Some((block, module, is_a)) = found else {
            return Err(refuse(format!(
                "its tensor {name} changes nothing that this model has, with {n_layers} blocks of attn.c_attn, attn.c_proj, \
                 mlp.c_fc and mlp.c_proj"
            )));
        };
        if !is_a {
            continue;
        }
        let of_b = name.replace("lora_A", "lora_B");
        let [rank, d_in] = file.matrix_shape(name)?;
        let [d_out, _] = file.matrix_shape(&of_b)?;
        let matrix = |name: &str, shape: [usize; 2]| -> Result<Tensor<2>, ImportError> {
            Ok(Tensor::from_data(file.read(name, &shape)?, &device.clone().without_autodiff()))
        };
        let (a, b) = (matrix(name, [rank, d_in])?, matrix(&of_b, [d_out, rank])?);
        let full_name = format!("transformer.h.{block}.{module}");
        changes.insert((block, module), b.matmul(a).transpose() * config.scale(&full_name));
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use burn::module::Module as _;
    use burn::tensor::{Distribution, Int};

    use super::*;
    use crate::device;

    fn model() -> Gpt {
        let overrides = ["model.vocab_size=31", "model.dropout=0.0"].map(|setting| setting.parse().unwrap());
        let config = crate::preset::Preset::named("tiny", &overrides).unwrap().model;
        Gpt::new(&config, &device::cpu()).valid()
    }

    fn adapted(settings: &LoraSettings) -> Gpt {
        let mut model = model().with_lora(settings);
        let device = model.device();
        model.each_linear(|_, linear| {
            if let Some(lora) = &mut linear.lora {
                let b = Tensor::random(lora.b.dims(), Distribution::Normal(0.0, 0.5), &device);
                lora.b = Param::from_tensor(b);
            }
        });
        model
    }

    #[test]
    fn what_is_written_is_read_again() {
        for targets in [LoraTarget::ALL.to_vec(), vec![LoraTarget::Key, LoraTarget::Expand]] {
            let settings = LoraSettings { rank: 2, alpha: 3.0, targets, ..LoraSettings::default() };
            let model = adapted(&settings);
            let folder = tempfile::tempdir().unwrap();
            save_adapter(&model.adapters().unwrap(), &settings, 2, "base", folder.path()).unwrap();
            let base = model.clone().with_lora(&LoraSettings { targets: Vec::new(), ..settings.clone() });
            let merged = merge_adapter(base, folder.path()).unwrap();
            let ids = Tensor::<2, Int>::from_ints([[1, 2, 3, 4]], &device::cpu());
            let difference = (merged.forward(ids.clone()) - model.forward(ids)).abs().max();
            assert!(difference.into_scalar::<f32>() < 1e-5);
        }
    }

    #[test]
    fn what_cannot_be_merged_is_refused_by_name() {
        let settings = LoraSettings { rank: 2, targets: vec![LoraTarget::Output], ..LoraSettings::default() };
        let folder = tempfile::tempdir().unwrap();
        let error = || merge_adapter(model(), folder.path()).err().unwrap().to_string();
        assert!(error().contains("adapter_config.json"), "{}", error());
        save_adapter(&adapted(&settings).adapters().unwrap(), &settings, 2, "base", folder.path()).unwrap();
        assert!(merge_adapter(model(), folder.path()).is_ok());
        let path = folder.path().join(ADAPTER_CONFIG);
        let config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for (field, value, expected) in [
            ("peft_type", json!("IA3"), "`peft_type` is IA3"),
            ("use_dora", json!(true), "`use_dora`"),
            ("bias", json!("all"), "`bias` is all"),
            ("modules_to_save", json!(["wte"]), "`modules_to_save`"),
            ("r", json!("x"), "invalid type"),
        ] {
            let mut config = config.clone();
            config[field] = value;
            std::fs::write(&path, config.to_string()).unwrap();
            assert!(error().contains(expected), "{}", error());
        }
        std::fs::write(&path, config.to_string()).unwrap();
        let overrides = ["model.vocab_size=31", "model.n_layers=1"].map(|setting| setting.parse().unwrap());
        let config = crate::preset::Preset::named("tiny", &overrides).unwrap().model;
        let error =
            merge_adapter(Gpt::new(&config, &device::cpu()), folder.path()).err().unwrap().to_string();
        assert!(error.contains("h.1.attn.c_proj"), "{error}");
    }
}
