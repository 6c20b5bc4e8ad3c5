//! Formats of other libraries: models that they write compute the same here, tokenizers are told by their contents,
//! and what is written here is complete there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use artifact::config::Activation;
use artifact::manifest::Precision;
use artifact::{GptConfig, Sampling, Tokenizer};
use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use e2e::folders::{copy_folder, text};
use e2e::process::{error_message, gpt, python, refusal, run};
use e2e::reference::{self, largest_difference};
use e2e::trained::only_version;
use engine::{Engine, GenerationOptions, OnnxModel};
use gpt::onnx::{self, Recipe};
use gpt::preset::Preset;
use gpt::weights::{self, Format, ImportOptions, Imported, gguf};
use gpt::{Gpt, device};
use serde_json::{Value, json};

/// Models as transformers and nanoGPT write them, see `make_models.py`.
fn models() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        python("make_models.py", &[folder.path()]).unwrap();
        folder
    });
    folder.path()
}

fn import(path: &Path) -> Imported {
    weights::import(path, &ImportOptions::default(), &device::cpu()).unwrap()
}

fn complaint(path: &Path) -> String {
    weights::import(path, &ImportOptions::default(), &device::cpu()).unwrap_err().to_string()
}

/// A copy of a folder of files.
fn copy(from: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(from, folder.path()).unwrap();
    folder
}

/// Changes a JSON file.
fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut json: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut json);
    fs::write(path, json.to_string()).unwrap();
}

fn logits(model: &Gpt, rows: &[Vec<i64>]) -> Vec<f32> {
    let ids = TensorData::new(rows.concat(), [rows.len(), rows[0].len()]);
    let ids = Tensor::<2, Int>::from_data(ids, &device::cpu());
    model.clone().valid().forward(ids).into_data().try_to_vec().unwrap()
}

/// Compares a model with what the library computed that wrote it.
fn assert_logits(imported: &Imported, folder: &Path) {
    #[derive(serde::Deserialize)]
    struct Expected {
        ids: Vec<Vec<i64>>,
        logits: Vec<f32>,
    }
    let Expected { ids, logits: expected } =
        serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let difference = largest_difference(&logits(&imported.model, &ids), &expected);
    println!("{}: largest difference of logits {difference:e}", folder.display());
    assert!(difference <= 1e-3, "{}: {difference}", folder.display());
}

#[test]
fn models_of_transformers_and_nano_gpt_compute_the_same_here() {
    for (name, source, activation, qkv_bias, tied) in [
        ("sharded", Format::HuggingFace, Activation::GeluTanh, true, true),
        ("sharded-bin", Format::HuggingFace, Activation::GeluTanh, true, true),
        ("exact-gelu", Format::HuggingFace, Activation::Gelu, true, true),
        ("untied", Format::HuggingFace, Activation::GeluTanh, true, false),
        ("nano", Format::NanoGpt, Activation::Gelu, false, true),
        ("nano-bias", Format::NanoGpt, Activation::Gelu, true, true),
    ] {
        let folder = models().join(name);
        let imported = import(&folder);
        let config = &imported.config;
        assert_eq!(imported.source, source, "{name}");
        assert_eq!(
            (config.activation, config.qkv_bias, config.tied_output_head),
            (activation, qkv_bias, tied)
        );
        assert_eq!((config.n_heads, config.context_length, config.n_layers), (4, 32, 2), "{name}");
        assert_eq!(imported.shards.len() > 1, name.starts_with("sharded"), "{name}");
        assert_logits(&imported, &folder);
        // The way through the published form changes nothing.
        let file = tempfile::NamedTempFile::new().unwrap();
        weights::save(&imported.model, file.path()).unwrap();
        let again = weights::load(config, file.path(), &device::cpu()).unwrap();
        assert_eq!(logits(&again, &[vec![1, 2, 3]]), logits(&imported.model, &[vec![1, 2, 3]]));
    }
}

/// The digest of a model in several files changes with each of them.
#[test]
fn several_files_are_one_model() {
    let folder = copy(&models().join("sharded"));
    let index = folder.path().join("model.safetensors.index.json");
    let imported = import(&index);
    assert_eq!(imported.file, index);
    let before = imported.sha256().unwrap();
    assert_eq!(import(folder.path()).sha256().unwrap(), before);
    let shard = imported.shards[1].clone();
    let mut bytes = fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&shard, bytes).unwrap();
    assert_ne!(import(folder.path()).sha256().unwrap(), before);

    let message = complaint(&shard);
    assert!(message.contains("one of several files") && message.contains("give their folder"), "{message}");
    edit(&index, |index| {
        index["weight_map"]["transformer.absent"] = json!(shard.file_name().unwrap().to_str())
    });
    let message = complaint(folder.path());
    assert!(
        message.contains(text(&shard)) && message.contains("no tensor `transformer.absent`"),
        "{message}"
    );
    fs::remove_file(&shard).unwrap();
    assert!(complaint(folder.path()).contains(text(&shard)));
}

#[test]
fn a_head_is_tied_by_hugging_faces_default_and_never_against_its_values() {
    let folder = copy(&models().join("untied"));
    let config = folder.path().join("config.json");
    edit(&config, |config| drop(config.as_object_mut().unwrap().remove("tie_word_embeddings")));
    let message = complaint(folder.path());
    assert!(message.contains("`lm_head.weight` is not `transformer.wte.weight`"), "{message}");
    assert!(message.contains("set `tie_word_embeddings` to false"), "{message}");
    edit(&config, |config| config["tie_word_embeddings"] = json!(false));
    assert!(!import(folder.path()).config.tied_output_head);
    // Without a configuration, the values tell.
    for (name, tied) in [("untied", false), ("sharded-bin", true)] {
        let folder = copy(&models().join(name));
        fs::remove_file(folder.path().join("config.json")).unwrap();
        let options = ImportOptions { n_heads: Some(4), ..ImportOptions::default() };
        let imported = weights::import(folder.path(), &options, &device::cpu()).unwrap();
        assert_eq!(imported.config.tied_output_head, tied, "{name}");
    }
}

#[test]
fn what_is_not_computed_here_is_refused_by_name() {
    let folder = copy(&models().join("exact-gelu"));
    for (field, value, expected) in [
        ("activation_function", "relu", "expected gelu_new or gelu"),
        ("activation_function", "quick_gelu", "expected gelu_new or gelu"),
        ("model_type", "gpt_neo", "expected gpt2"),
    ] {
        let changed = copy(folder.path());
        edit(&changed.path().join("config.json"), |config| config[field] = json!(value));
        let message = complaint(changed.path());
        assert!(
            message.contains(field) && message.contains(value) && message.contains(expected),
            "{message}"
        );
    }
    for (name, bytes, expected) in [
        ("model.gguf", &b"GGUF\x03\0\0\0\0\0\0\0"[..], "llama.cpp (GGUF)"),
        ("tf_model.h5", b"\x89HDF\r\n\x1a\n\0\0", "TensorFlow"),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    ] {
        let file = folder.path().join("other").with_file_name(name);
        fs::write(&file, bytes).unwrap();
        let message = complaint(&file);
        assert!(message.contains(name) && message.contains(expected), "{message}");
    }
    // An option outweighs nanoGPT's default, and early versions had the tanh form.
    let options = ImportOptions { activation: Some(Activation::GeluTanh), ..ImportOptions::default() };
    let imported = weights::import(&models().join("nano"), &options, &device::cpu()).unwrap();
    assert_eq!(imported.config.activation, Activation::GeluTanh);
}

/// In float32 to 1e-4, and quantized as near as the tanh form is.
#[test]
fn exact_gelu_is_exported() {
    let imported = import(&models().join("exact-gelu"));
    let model = imported.model.valid();
    let ids: Vec<u32> = (1..20).collect();
    let expected = logits(&model, &[ids.iter().map(|&id| i64::from(id)).collect()]);
    let wanted: Vec<usize> = (0..ids.len()).collect();
    let file = tempfile::NamedTempFile::with_suffix(".onnx").unwrap();
    let found = |precision, tolerance: f32| {
        let mut engine = OnnxModel::load(file.path(), precision, model.config(), 1).unwrap();
        let difference = largest_difference(&engine.run(&ids, &wanted, <[f32]>::to_vec).unwrap(), &expected);
        println!("{precision}: {difference:e}");
        assert!(difference <= tolerance, "{precision}: {difference}");
    };
    onnx::export(&model, file.path()).unwrap();
    found(Precision::Float32, 1e-3);
    let bytes = fs::read(file.path()).unwrap();
    assert!(bytes.windows(4).any(|window| window == b"none"));
    let scale = expected.iter().fold(0.0f32, |largest, logit| largest.max(logit.abs()));
    onnx::export_quantized(&model, Recipe::W8, None, file.path()).unwrap();
    found(Precision::W8, 0.05 * scale);
    assert!(!fs::read(file.path()).unwrap().windows(8).any(|window| window == b"FastGelu"));
    // Positions give the same bits alone and among others, which drafts rely on.
    let mut engine = OnnxModel::load(file.path(), Precision::W8, model.config(), 1).unwrap();
    if engine.has_own_kernels() {
        let together = engine.run(&ids, &wanted, <[f32]>::to_vec).unwrap();
        engine.truncate(0).unwrap();
        let alone: Vec<f32> =
            ids.iter().flat_map(|id| engine.run(&[*id], &[0], <[f32]>::to_vec).unwrap()).collect();
        assert!(alone == together);
    }
}

/// A model with GPT-2's vocabulary, or a larger one, and random weights.
fn tiny(vocab_size: usize) -> Gpt {
    let config = Preset::named("tiny", &[]).unwrap().model;
    Gpt::new(&GptConfig { vocab_size, ..config }, &device::cpu()).valid()
}

fn export_hf(model: &Gpt) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    weights::export_hf(model, Some((&Tokenizer::gpt2().unwrap()).into()), &folder.path().join("hf")).unwrap();
    folder
}

#[test]
fn transformers_reads_and_continues_an_exported_folder() {
    for activation in [Activation::GeluTanh, Activation::Gelu] {
        let config = GptConfig { activation, ..Preset::named("tiny", &[]).unwrap().model };
        let model = Gpt::new(&config, &device::cpu()).valid();
        let folder = export_hf(&model);
        let reference = reference::folder().join("tokenizer.json");
        let said = python("check_hf_text.py", &[&folder.path().join("hf"), &reference]).unwrap();
        let theirs: Vec<u32> = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        let file = folder.path().join("model.onnx");
        onnx::export(&model, file.as_path()).unwrap();
        let engine = Engine::new(OnnxModel::load(&file, Precision::Float32, &config, 1).unwrap());
        let prompt = Tokenizer::gpt2().unwrap().encode("The painting was");
        let options = GenerationOptions::new(theirs.len(), Sampling::Greedy, 0);
        assert_eq!(engine.generate(&prompt, &options).unwrap().ids, theirs);
    }
}

#[test]
fn a_tokenizer_is_told_by_its_contents_and_never_by_its_size() {
    let exported = export_hf(&tiny(50_257));
    let hf = exported.path().join("hf");
    let store = exported.path().join("store");
    let import = |folder: &Path, more: &[&str]| {
        let arguments = ["import", text(folder), "--name", "m", "--store", text(&store)];
        run("gpt", &[&arguments[..], more].concat()).unwrap()
    };
    let refusal = |folder: &Path, more: &[&str]| error_message(&import(folder, more)).unwrap();
    let accepted = |folder: &Path, more: &[&str]| {
        let output = import(folder, more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (version, manifest) = only_version(&store).unwrap();
        fs::remove_dir_all(version.parent().unwrap()).unwrap();
        (manifest.tokenizer.is_some(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let without = |names: &[&str]| {
        let folder = copy(&hf);
        names.iter().for_each(|name| fs::remove_file(folder.path().join(name)).unwrap());
        folder
    };
    // Either form of GPT-2's; merges as pairs too, as newer libraries write them.
    assert!(accepted(&hf, &[]).0);
    assert!(accepted(without(&["tokenizer.json"]).path(), &[]).0);
    let pairs = copy(&hf);
    edit(&pairs.path().join("tokenizer.json"), |json| {
        for merge in json["model"]["merges"].as_array_mut().unwrap() {
            *merge = merge.as_str().unwrap().split(' ').collect();
        }
    });
    assert!(accepted(pairs.path(), &[]).0);

    // Of the same size, with two tokens exchanged: it is taken as it is, and never for the English one.
    let swap = |vocab: &mut Value| {
        let (the, other) = (vocab["Ġthe"].clone(), vocab["Ġder"].clone());
        (vocab["Ġthe"], vocab["Ġder"]) = (other, the);
    };
    let foreign = copy(&hf);
    edit(&foreign.path().join("tokenizer.json"), |json| swap(&mut json["model"]["vocab"]));
    let message = refusal(foreign.path(), &["--tokenizer", "gpt2"]);
    assert!(message.contains("tokenizer.json") && message.contains("is not GPT-2's"), "{message}");
    assert!(
        message.contains("its token 262 is `Ġder`") && message.contains("without --tokenizer gpt2"),
        "{message}"
    );
    assert!(accepted(foreign.path(), &[]).0);
    assert!(!accepted(foreign.path(), &["--tokenizer", "none"]).0);
    let by_files = without(&["tokenizer.json"]);
    edit(&by_files.path().join("vocab.json"), swap);
    assert!(accepted(by_files.path(), &[]).0);
    assert!(accepted(foreign.path(), &["--tokenizer", text(by_files.path())]).0);
    fs::remove_file(by_files.path().join("merges.txt")).unwrap();
    assert!(refusal(by_files.path(), &[]).contains("merges.txt is not beside it"));
    let spaced = copy(&hf);
    edit(&spaced.path().join("tokenizer.json"), |json| {
        json["pre_tokenizer"]["add_prefix_space"] = json!(true)
    });
    assert!(accepted(spaced.path(), &[]).0);
    let wrapped = copy(&hf);
    edit(&wrapped.path().join("tokenizer.json"), |json| {
        json["post_processor"] = json!({"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]})
    });
    assert!(refusal(wrapped.path(), &[]).contains("special tokens to each text by RobertaProcessing"));

    // None beside it: its size alone decides nothing.
    let alone = without(&["tokenizer.json", "vocab.json", "merges.txt"]);
    let message = refusal(alone.path(), &[]);
    assert!(message.contains("a vocabulary of 50257 ids can be that of any"), "{message}");
    assert!(accepted(alone.path(), &["--tokenizer", "gpt2"]).0);
    assert!(!accepted(alone.path(), &["--tokenizer", "none"]).0);
    fs::write(alone.path().join("tokenizer.model"), "x").unwrap();
    assert!(refusal(alone.path(), &[]).contains("it is a tokenizer of SentencePiece"));

    // Training, sampling and evaluation ask the same question.
    for command in [
        &["sample", text(wrapped.path()), "--prompt", "x"][..],
        &["evaluate", text(wrapped.path()), "--corpus", text(&e2e::trained::corpus())],
        &["finetune", text(wrapped.path()), "--store", text(&store)],
        &["export", text(wrapped.path()), "--format", "onnx", "--to", text(&exported.path().join("onnx"))],
    ] {
        let message = self::refusal(command);
        assert!(
            message.contains("RobertaProcessing") && message.contains("--tokenizer none takes"),
            "{command:?}: {message}"
        );
    }
    let none = ["finetune", text(foreign.path()), "--tokenizer", "none"];
    let message = self::refusal(&[&none[..], &["--store", text(&store)]].concat());
    assert!(message.contains("has no tokenizer, so it cannot be trained on"), "{message}");
}

#[test]
fn tokens_beyond_gpt_2s_are_said_and_left_out() {
    let exported = export_hf(&tiny(50_259));
    let folder = exported.path().join("hf");
    edit(&folder.join("tokenizer.json"), |json| {
        let added = json["added_tokens"].as_array_mut().unwrap();
        let mut token = added[0].clone();
        (token["id"], token["content"]) = (json!(50_257), json!("<|user|>"));
        added.push(token);
    });
    let store = exported.path().join("store");
    let output = run("gpt", &["import", text(&folder), "--name", "m", "--store", text(&store)]).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.contains("1 tokens beyond GPT-2's, such as `<|user|>`"),
        "{said}"
    );
    let suppressed: Value =
        serde_json::from_slice(&fs::read(folder.join("generation_config.json")).unwrap()).unwrap();
    assert_eq!(suppressed["suppress_tokens"], json!([50_257, 50_258]));
}

#[test]
fn exports_are_complete_and_read_again() {
    let exported = export_hf(&tiny(50_257));
    let hf = exported.path().join("hf");
    let tokenizer =
        ["tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"];
    for format in ["onnx", "safetensors", "hf"] {
        let to = exported.path().join(format!("again-{format}"));
        gpt(&["export", text(&hf), "--format", format, "--to", text(&to)]);
        for name in [&tokenizer[..], &["config.json"]].concat() {
            assert!(to.join(name).is_file(), "{format} has no {name}");
        }
        assert_eq!(
            fs::read(to.join("tokenizer.json")).unwrap(),
            fs::read(hf.join("tokenizer.json")).unwrap()
        );
        if format != "onnx" {
            gpt(&["sample", text(&to), "--prompt", "The", "--max-tokens", "2"]);
        }
    }
    assert!(hf.join("generation_config.json").is_file());
    let message = refusal(&["export", text(&hf), "--format", "hf", "--precision", "float16", "--to", "x"]);
    assert!(message.contains("--precision is for --format gguf alone"), "{message}");
    // A version says it itself.
    let store = exported.path().join("store");
    gpt(&["import", text(&hf), "--name", "m", "--store", text(&store)]);
    let message =
        refusal(&["sample", "version:m", "--store", text(&store), "--tokenizer", "none", "--prompt", "x"]);
    assert!(message.contains("--tokenizer is for files of weights"), "{message}");
}

/// A GGUF file, read as its format says.
struct Gguf {
    bytes: Vec<u8>,
    position: usize,
}

impl Gguf {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let bytes = self.bytes[self.position..][..N].try_into().unwrap();
        self.position += N;
        bytes
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> usize {
        u64::from_le_bytes(self.take()) as usize
    }

    fn string(&mut self) -> String {
        let length = self.u64();
        let text = String::from_utf8(self.bytes[self.position..][..length].to_vec()).unwrap();
        self.position += length;
        text
    }

    fn value(&mut self, kind: u32) -> Value {
        match kind {
            4 => self.u32().into(),
            5 => i32::from_le_bytes(self.take()).into(),
            6 => f32::from_le_bytes(self.take()).into(),
            7 => (self.take::<1>() == [1]).into(),
            8 => self.string().into(),
            9 => {
                let (kind, length) = (self.u32(), self.u64());
                (0..length).map(|_| self.value(kind)).collect()
            }
            other => panic!("type {other}"),
        }
    }
}

#[test]
fn a_gguf_file_has_the_model_and_its_tokenizer() {
    let model = tiny(50_304);
    let folder = tempfile::tempdir().unwrap();
    for (precision, kind) in [(gguf::Precision::Float32, 0), (gguf::Precision::Float16, 1)] {
        let path = folder.path().join(format!("{kind}.gguf"));
        gguf::export(&model, Some((&Tokenizer::gpt2().unwrap()).into()), "tiny", precision, &path).unwrap();
        let mut file = Gguf { bytes: fs::read(&path).unwrap(), position: 0 };
        assert_eq!((&file.take(), file.u32()), (b"GGUF", 3));
        let (n_tensors, n_keys) = (file.u64(), file.u64());
        let mut keys = serde_json::Map::new();
        for _ in 0..n_keys {
            let (key, kind) = (file.string(), file.u32());
            let value = file.value(kind);
            keys.insert(key, value);
        }
        assert_eq!((&keys["general.architecture"], &keys["gpt2.block_count"]), (&json!("gpt2"), &json!(2)));
        assert_eq!(keys["general.file_type"], kind);
        let tokens = keys["tokenizer.ggml.tokens"].as_array().unwrap();
        assert_eq!(
            (tokens.len(), &tokens[262], &tokens[50_300]),
            (50_304, &json!("Ġthe"), &json!("[PAD50300]"))
        );
        assert_eq!(keys["tokenizer.ggml.merges"].as_array().unwrap().len(), 50_000);
        assert_eq!(keys["tokenizer.ggml.token_type"][50_300], 5, "it is not used");

        let mut found = std::collections::BTreeMap::new();
        for _ in 0..n_tensors {
            let name = file.string();
            let axes = file.u32();
            let mut shape: Vec<usize> = (0..axes).map(|_| file.u64()).collect();
            shape.reverse();
            found.insert(name, (shape, file.u32(), file.u64()));
        }
        let start = file.position.next_multiple_of(32);
        let read = |name: &str| {
            let (shape, kind, offset) = &found[name];
            assert_eq!(offset % 32, 0);
            let count: usize = shape.iter().product();
            let bytes = &file.bytes[start + offset..];
            let data = match kind {
                0 => TensorData::from_bytes_vec(
                    bytes[..4 * count].to_vec(),
                    shape.clone(),
                    burn::tensor::DType::F32,
                ),
                _ => TensorData::from_bytes_vec(
                    bytes[..2 * count].to_vec(),
                    shape.clone(),
                    burn::tensor::DType::F16,
                ),
            };
            (shape.clone(), data.convert::<f32>().try_to_vec::<f32>().unwrap())
        };
        let same = |name: &str, shape: &[usize], expected: Vec<f32>| {
            let (found_shape, values) = read(name);
            assert_eq!(found_shape, shape, "{name}");
            let difference = largest_difference(&values, &expected);
            assert!(difference <= if kind == 0 { 0.0 } else { 4e-3 }, "{name}: {difference}");
        };
        let values = |tensor: Tensor<2>| tensor.into_data().try_to_vec::<f32>().unwrap();
        same("token_embd.weight", &[50_304, 12], values(model.token_embedding.weight.val()));
        same(
            "output.weight",
            &[50_304, 12],
            values(model.output_head.as_ref().unwrap().weight.val().transpose()),
        );
        let attention = &model.blocks[1].attention;
        let qkv = [&attention.query, &attention.key, &attention.value]
            .map(|part| values(part.weight.val().transpose()));
        same("blk.1.attn_qkv.weight", &[36, 12], qkv.concat());
        same("blk.1.attn_qkv.bias", &[36], vec![0.0; 36]);
        same(
            "blk.0.ffn_up.weight",
            &[48, 12],
            values(model.blocks[0].feed_forward.expand.weight.val().transpose()),
        );
        assert_eq!(found["position_embd.weight"].1, 0, "positions are float32");
        assert!(
            gguf::export(&model, None, "tiny", precision, &path).unwrap_err().to_string().contains("exists")
        );
    }
    let exact = import(&models().join("exact-gelu")).model;
    let path: PathBuf = folder.path().join("exact.gguf");
    let error = gguf::export(&exact, None, "exact", gguf::Precision::Float32, &path).unwrap_err().to_string();
    assert!(error.contains("`gelu_tanh` alone") && !path.exists(), "{error}");
}
