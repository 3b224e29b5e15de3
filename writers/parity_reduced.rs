//! The record of a tensor that is too big to be dumped: a hash, RMS, extremes, and projections of each slice.
//!
//! ```ignore
//! dump.put("decoder[step=9]", ".json", record(&x, &[2, 80, 4000], 1, f32::NAME)?.as_bytes())?; // slices along axis 0
//! ```
//!
//! The standard library alone: copy this file beside parity_dump.rs. MIT licence, as all of chatterbox-parity.

use std::io::{Error, ErrorKind, Result};

const PROJECTIONS: usize = 16;

/// A number of which records are made: its dtype, its bits as a record hashes them, and its value.
pub trait Number: Copy {
    const NAME: &'static str;
    const WHOLE: bool;
    fn bits(self) -> u64;
    fn value(self) -> f64;
}

macro_rules! number {
    ($($number:ty, $name:literal, $whole:literal, $bits:expr, $value:expr;)*) => {$(
        impl Number for $number {
            const NAME: &'static str = $name;
            const WHOLE: bool = $whole;
            fn bits(self) -> u64 {
                $bits(self)
            }
            fn value(self) -> f64 {
                $value(self)
            }
        }
    )*};
}

number! {
    f32, "float32", false, |x: f32| u64::from(x.to_bits()), f64::from;
    f64, "float64", false, f64::to_bits, f64::from;
    i8, "int8", true, |x| x as u64, f64::from;
    i16, "int16", true, |x| x as u64, f64::from;
    i32, "int32", true, |x| x as u64, f64::from;
    i64, "int64", true, |x| x as u64, |x| x as f64;
    u8, "uint8", true, u64::from, f64::from;
    bool, "bool", true, u64::from, |x| f64::from(u8::from(x));
}

fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The record of values in C order, as JSON. The first `leading` axes are kept: each slice along them has sums of its
/// own. `stored` is the values' `NAME`; half precision is given as f32, with "float16" or "bfloat16".
pub fn record<T: Number>(values: &[T], shape: &[usize], leading: usize, stored: &str) -> Result<String> {
    if leading > shape.len() || shape.iter().product::<usize>() != values.len() {
        let why = format!("{} values and {leading} leading axes for the shape {shape:?}", values.len());
        return Err(Error::new(ErrorKind::InvalidInput, why));
    }
    let slices: usize = shape[..leading].iter().product();
    let mut sums = vec![0.0; if T::WHOLE { 0 } else { slices * PROJECTIONS }];
    let (mut hash, mut finite, mut square) = (0_u64, 0, 0.0);
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for (i, &value) in values.iter().enumerate() {
        let u = mix((i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        hash = hash.wrapping_add(mix(u ^ value.bits()));
        let x = value.value();
        if !x.is_finite() {
            continue;
        }
        finite += 1;
        square += x * x;
        low = low.min(x);
        high = high.max(x);
        let slice = i / (values.len() / slices) * PROJECTIONS;
        for (j, sum) in sums.iter_mut().skip(slice).take(PROJECTIONS).enumerate() {
            *sum += if u >> j & 1 == 1 { -x } else { x };
        }
    }
    let (rms, low, high) = if finite == 0 { (0.0, 0.0, 0.0) } else { ((square / finite as f64).sqrt(), low, high) };
    let nonfinite = values.len() - finite;
    Ok(format!(
        "{{\"reduced\": 1, \"shape\": {shape:?}, \"dtype\": \"{stored}\", \"leading\": {leading}, \
         \"projections\": {PROJECTIONS}, \"hash\": \"{hash:016x}\", \"rms\": {rms:?}, \"min\": {low:?}, \
         \"max\": {high:?}, \"nonfinite\": {nonfinite}, \"values\": {sums:?}}}\n"
    ))
}
