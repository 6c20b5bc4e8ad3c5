//! ONNX external data: weights beyond protobuf's limit lie in a file beside the graph, and everything that takes a
//! model takes them. The limit is forced down, so that tiny models are beyond it.

use std::fs;
use std::path::Path;

use artifact::manifest::{FileRole, Precision};
use artifact::{GptConfig, Tokenizer};
use burn::module::Module;
use e2e::folders::copy_folder;
use e2e::process::{Server, post, python, run};
use e2e::reference::{self, TinyGpt};
use e2e::trained::{only_version, visible_versions};
use engine::OnnxModel;
use gpt::onnx::target::{MAX_GRAPH_BYTES, data_path};
use gpt::onnx::{self, Target};
use gpt::preset::Preset;
use gpt::release::cause;
use gpt::release::export::{Export, write_export};
use gpt::release::{Judgement, Release};
use gpt::{Gpt, device, weights};
use s3_server::{ACCESS_KEY, BUCKET, S3Server};
use serde_json::json;
use store::{Reason, Store};

const ALL: [(Precision, &str); 3] =
    [(Precision::Float32, "model.onnx"), (Precision::W8, "model.w8.onnx"), (Precision::W4, "model.w4.onnx")];

/// A graph of a tiny model may have so many bytes, which its weights exceed.
const LIMIT: usize = 20_000;

fn tiny_gpt() -> Gpt {
    let reference = TinyGpt::read().unwrap();
    weights::load(&reference.config(), &reference.weights(), &device::cpu()).unwrap().valid()
}

#[test]
fn a_graph_with_its_weights_beside_it_computes_the_same() {
    let model = tiny_gpt();
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<u32> = (1..20).collect();
    let wanted: Vec<usize> = (0..ids.len()).collect();
    for (precision, file) in ALL {
        let path = folder.path().join(file);
        let logits = || {
            let mut engine = OnnxModel::load(&path, precision, model.config(), 1).unwrap();
            engine.run(&ids, &wanted, <[f32]>::to_vec).unwrap()
        };
        write_export(&model, precision, None, path.as_path()).unwrap();
        let (whole, expected) = (fs::metadata(&path).unwrap().len(), logits());
        assert!(!data_path(&path).exists());
        write_export(&model, precision, None, Target { path: &path, max_bytes: LIMIT }).unwrap();
        assert_eq!(data_path(&path), folder.path().join(format!("{file}.data")));
        assert!(fs::metadata(data_path(&path)).unwrap().len() > whole / 2);
        assert!(fs::metadata(&path).unwrap().len() < whole / 2);
        assert_eq!(logits(), expected, "{precision}");
    }
    // Python's tools take it: the checker with its shape inference, and onnxruntime.
    let reference = reference::folder().join("tiny-gpt");
    print!("{}", python("check_onnx.py", &[&folder.path().join("model.onnx"), &reference]).unwrap());
    // Without the file there is an error that names it; a whole graph needs none, and leaves none behind.
    let path = folder.path().join("model.onnx");
    fs::remove_file(data_path(&path)).unwrap();
    let error = OnnxModel::load(&path, Precision::Float32, model.config(), 1).err().unwrap().to_string();
    assert!(error.contains("model.onnx.data"), "{error}");
    onnx::export(&model, Target { path: &path, max_bytes: LIMIT }).unwrap();
    onnx::export(&model, path.as_path()).unwrap();
    assert!(!data_path(&path).exists());
}

/// GPT-2 large and XL, 774 million and 1.5 billion parameters, can be exported; so can what no machine holds.
#[test]
fn any_shape_can_be_exported() {
    let xl = GptConfig {
        d_model: 1600,
        n_layers: 48,
        n_heads: 25,
        d_ff: 6400,
        ..Preset::named("tiny", &[]).unwrap().model
    };
    let large = GptConfig { d_model: 1280, n_layers: 36, n_heads: 20, d_ff: 5120, ..xl.clone() };
    let largest = GptConfig { d_model: 1 << 14, n_layers: 256, n_heads: 128, d_ff: 1 << 16, ..xl.clone() };
    for config in [xl, large, largest] {
        assert!(4 * config.num_parameters() > MAX_GRAPH_BYTES);
        onnx::check_exportable(&config).unwrap();
    }
    let no_model = GptConfig { n_heads: 5, ..Preset::named("tiny", &[]).unwrap().model };
    assert!(onnx::check_exportable(&no_model).unwrap_err().to_string().contains("n_heads"));
}

/// Publishes a model whose exports are all beyond the limit.
fn publish(model: &Gpt, store: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open(store.to_str().unwrap()).await.unwrap();
        let staged = store.stage("large").await.unwrap();
        let exports = ALL.map(|(precision, file)| {
            let path = staged.path(file);
            write_export(model, precision, None, Target { path: &path, max_bytes: LIMIT }).unwrap();
            Export::load(precision, path, model.config()).unwrap()
        });
        let judgement = Judgement::of(model, exports.into(), None).unwrap();
        assert!(judgement.exports[0].comparison.largest_logit_difference <= 1e-3);
        let release = Release {
            name: "large",
            model,
            tokenizer: Some(&Tokenizer::gpt2().unwrap()),
            chat_template: None,
            judgement: &judgement,
            training: None,
            imported_from: None,
            example_prompts: &[],
            parent: None,
        };
        let published = release.publish(staged, None).await.unwrap();
        store.promote("live", &published, None, cause::now(Reason::ByHand, &[])).await.unwrap();
    });
}

#[test]
fn a_version_with_weights_beside_its_graphs_is_served_copied_and_exported() {
    let model = Gpt::new(&Preset::named("tiny", &[]).unwrap().model, &device::cpu()).valid();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    publish(&model, &store);
    let (_, manifest) = only_version(&store).unwrap();
    for (precision, file) in ALL {
        let graph = manifest.variant(precision).unwrap();
        let data = manifest.external_data(graph).unwrap();
        assert_eq!((data.path.as_str(), data.role), (format!("{file}.data").as_str(), FileRole::OnnxData));
        let variant = manifest.variants.iter().find(|variant| variant.precision == precision).unwrap();
        assert_eq!(variant.bytes, graph.bytes + data.bytes);
    }

    // From a folder, and from S3, where the files have to be downloaded.
    let server = S3Server::start_beside();
    copy_folder(&store, &server.folder("store")).unwrap();
    let (location, cache) = (format!("s3://{BUCKET}/store"), folder.path().join("cache"));
    let mut texts = Vec::new();
    for (location, environment) in
        [(store.to_str().unwrap(), Vec::new()), (location.as_str(), server.environment(ACCESS_KEY))]
    {
        for (precision, _) in ALL {
            let precision = precision.to_string();
            let arguments = ["--precision", &precision, "--cache", cache.to_str().unwrap()];
            let server = Server::start_with(location, &arguments, &environment).unwrap();
            let ask = json!({"prompt": "The painting", "max_tokens": 8, "temperature": 0});
            let (status, answer) = post(&format!("{}/generate", server.url), &ask).unwrap();
            assert_eq!(status, 200, "{answer}");
            texts.push(answer["response"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(texts[..3], texts[3..]);

    let gpt = |arguments: &[&str]| {
        let output = run("gpt", arguments).unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let (at, other, onnx) =
        (store.to_str().unwrap(), folder.path().join("other"), folder.path().join("onnx"));
    gpt(&["sample", "--store", at, "--prompt", "The", "--max-tokens", "2"]);
    gpt(&["publish", "channel:live", "--from", at, "--store", other.to_str().unwrap()]);
    let [version] = &visible_versions(&other).unwrap()[..] else { panic!("expected one version") };
    gpt(&["export", "channel:live", "--store", at, "--format", "onnx", "--to", onnx.to_str().unwrap()]);
    for (_, file) in ALL {
        for place in [version, &onnx] {
            assert!(place.join(file).is_file() && place.join(format!("{file}.data")).is_file(), "{file}");
        }
    }
}
