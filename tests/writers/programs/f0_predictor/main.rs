//! Mel to fundamental frequency: the vocoder's f0 predictor in plain loops. Sums are double, dumps are float32.
//!
//! `WEIGHTS BUNDLE DUMPS` runs twice from the bundle's inputs: freely, and into DUMPS/local with the bundle's value of
//! each tap, so that every block has errors of its own alone.
mod parity_dump;

use parity_dump::{read, Array, Dump, Order};
use std::io::Result;

type Values = Array<f32>;

/// (B, in, T) -> (B, out, T). Convolution of width 3 over frames, zeros beside the first and the last.
fn convolution(x: &Values, weight: &Values, bias: &Values) -> Values {
    let (batch, width, frames, out) = (x.shape[0], x.shape[1], x.shape[2], weight.shape[0]);
    let mut values = Vec::new();
    for b in 0..batch {
        for o in 0..out {
            for t in 0..frames {
                let mut sum = f64::from(bias.values[o]);
                for i in 0..width {
                    let row = &x.values[(b * width + i) * frames..][..frames];
                    for (k, &factor) in weight.values[(o * width + i) * 3..][..3].iter().enumerate() {
                        let seen = (t + k).checked_sub(1).and_then(|at| row.get(at));
                        sum += f64::from(factor) * f64::from(*seen.unwrap_or(&0.0));
                    }
                }
                values.push(sum as f32);
            }
        }
    }
    Values { shape: vec![batch, out, frames], values }
}

fn elu(x: Values) -> Values {
    let one = |value: f32| if value > 0.0 { value } else { f64::from(value).exp_m1() as f32 };
    Values { values: x.values.into_iter().map(one).collect(), ..x }
}

/// (B, in, T) -> (B, T, 1).
fn classifier(x: &Values, weight: &Values, bias: &Values) -> Values {
    let (batch, width, frames) = (x.shape[0], x.shape[1], x.shape[2]);
    let mut values = Vec::new();
    for b in 0..batch {
        for t in 0..frames {
            let seen = (0..width).map(|i| f64::from(x.values[(b * width + i) * frames + t]));
            let sum: f64 = seen.zip(&weight.values).map(|(value, &factor)| value * f64::from(factor)).sum();
            values.push((sum + f64::from(bias.values[0])) as f32);
        }
    }
    Values { shape: vec![batch, frames, 1], values }
}

fn run(weights: &str, bundle: &str, dumps: &str, local: bool) -> Result<()> {
    let mut dump = Dump::new(dumps)?;
    let mut tap = |name: &str, value: Values| {
        dump.write(name, &value.values, &value.shape, Order::C)?;
        if local {
            read(format!("{bundle}/{name}.npy"))
        } else {
            Ok(value)
        }
    };
    let weight = |name: &str| read::<f32>(format!("{weights}/{name}.npy"));
    let mut x = read::<f32>(format!("{bundle}/inputs/mel.npy"))?;
    for layer in 0..5 {
        let (kernel, bias) = (weight(&format!("convs.{layer}.weight"))?, weight(&format!("convs.{layer}.bias"))?);
        x = elu(tap(&format!("vocoder.f0_predictor.convs.{layer}"), convolution(&x, &kernel, &bias))?);
    }
    let scores = classifier(&x, &weight("classifier.weight")?, &weight("classifier.bias")?);
    let mut f0 = tap("vocoder.f0_predictor.classifier", scores)?;
    f0.values.iter_mut().for_each(|value| *value = value.abs());
    f0.shape.pop();
    let f0 = tap("vocoder.f0_predictor", f0)?;
    let voiced: Vec<bool> = f0.values.iter().map(|&value| value > 10.0).collect();
    dump.write("vocoder.voiced", &voiced, &f0.shape, Order::C)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let (weights, bundle, dumps) = (&arguments[1], &arguments[2], &arguments[3]);
    run(weights, bundle, dumps, false)?;
    run(weights, bundle, &format!("{dumps}/local"), true)
}
