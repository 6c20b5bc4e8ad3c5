#![allow(missing_docs, clippy::unwrap_used)]
use std::time::Instant;
use artifact::{GptConfig, Tokenizer, Sampling};
use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use engine::{Engine, GenerationOptions, OnnxModel};
use gpt::onnx::quantize::Blocks;
use gpt::{device, onnx, weights};
use rayon::prelude::*;

fn log_softmax(l: &[f32]) -> Vec<f64> {
    let m = l.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let s: f64 = l.iter().map(|x| f64::from(x - m).exp()).sum();
    l.iter().map(|x| f64::from(x - m) - s.ln()).collect()
}
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let config = GptConfig { vocab_size: 50257, context_length: 256, d_model: 768, n_layers: 12, n_heads: 12, d_ff: 3072, dropout: 0.1, qkv_bias: false, tied_output_head: false };
    let model = weights::load(&config, std::path::Path::new(&args[0]), &device::cpu()).unwrap().valid();
    let text = std::fs::read_to_string("/work/shared/corpus/the-verdict.txt").unwrap();
    let tk = Tokenizer::gpt2().unwrap();
    let cut = (text.chars().count() as f64 * 0.9) as usize;
    let a: String = text.chars().take(cut).collect();
    let b: String = text.chars().skip(cut).collect();
    let (a, b) = (tk.encode(&a), tk.encode(&b));
    let windows: Vec<(bool, Vec<u32>)> = a.chunks(256).take(6).map(|w| (true, w.to_vec())).chain(b.chunks(256).map(|w| (false, w.to_vec()))).collect();
    let expected: Vec<Vec<f32>> = windows.iter().map(|(_, w)| {
        let d = TensorData::new(w.iter().map(|&i| i64::from(i)).collect::<Vec<_>>(), [1, w.len()]);
        model.forward(Tensor::<2, Int>::from_data(d, &device::cpu())).into_data().try_to_vec().unwrap()
    }).collect();
    for spec in &args[1..] {
        let n: Vec<usize> = spec.split(',').map(|x| x.parse().unwrap()).collect();
        let b = |i: usize| Blocks { bits: n[i], block_size: n[i + 1] };
        let recipe = onnx::Recipe { body: b(0), head: b(2), embedding: b(4) };
        let path = std::path::PathBuf::from("/tmp/explore.onnx");
        let t = Instant::now();
        onnx::export_quantized(&model, recipe, &path).unwrap();
        let export = t.elapsed();
        let mb = std::fs::metadata(&path).unwrap().len() as f64 / 1e6;
        let mut m = OnnxModel::load(&path, &config, 2).unwrap();
        let load = m.load_times().session;
        let mut out = [(0.0, 0, 0); 2];
        for ((train, w), e) in windows.iter().zip(&expected) {
            m.truncate(0).unwrap();
            let all: Vec<usize> = (0..w.len()).collect();
            let r: Vec<(f64, bool)> = m.run(w, &all, |l| l.par_chunks(50257).zip(e.par_chunks(50257)).map(|(f, e)| {
                let (p, q) = (log_softmax(e), log_softmax(f));
                let kl: f64 = p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum();
                let am = |l: &[f32]| l.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
                (kl, am(f) == am(e))
            }).collect()).unwrap();
            let o = &mut out[usize::from(!*train)];
            for (k, s) in r { o.0 += k; o.1 += usize::from(s); o.2 += 1; }
        }
        drop(m);
        let mut speeds = Vec::new();
        for threads in if std::env::var_os("NOSPEED").is_some() { vec![] } else { vec![1, 2] } {
            let e = Engine::new(OnnxModel::load(&path, &config, threads).unwrap());
            let o = GenerationOptions::new(100, Sampling::Greedy, 1);
            e.generate(&[10, 11, 12], &o).unwrap();
            let mut best = 0.0f64;
            for _ in 0..3 {
                let g = e.generate(&[10, 11, 12], &o).unwrap();
                best = best.max(99.0 / (g.total - g.first_token).as_secs_f64());
            }
            speeds.push(format!("{best:.0}"));
        }
        println!("{spec:>24} {mb:6.1} MB load {:.2} export {:.1}s  train KL {:.1e} {:.2}%  val KL {:.1e} {:.2}%  tok/s {}", load.as_secs_f64(), export.as_secs_f64(),
            out[0].0 / out[0].2 as f64, 100.0 * out[0].1 as f64 / out[0].2 as f64, out[1].0 / out[1].2 as f64, 100.0 * out[1].1 as f64 / out[1].2 as f64, speeds.join(" "));
    }
}
