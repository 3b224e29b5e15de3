//! Dumps a port's tensors under the names of taps, and reads the inputs that a bundle holds.
//!
//! ```ignore
//! let mel = parity_dump::read::<f32>("bundle/inputs/mel.npy")?; // in C order, whatever the file's order is
//! let mut dump = Dump::new("dumps")?;
//! dump.write("vocoder.f0_predictor", &f0, &[1, frames], Order::C)?;
//! ```
//!
//! Files are NPY 1.0, little-endian. A file appears whole or not at all. Whatever is wrong is an `io::Error`.
//! The standard library alone: copy this file into the port. MIT licence, as all of chatterbox-parity.
#![allow(dead_code)] // a port uses what it needs

use std::collections::BTreeSet;
use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";

/// The order of values in memory. A shape is that of the axes from first to last: `ne` of ggml backwards, in C order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    C,
    Fortran,
}

/// The bits of a half-precision number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct F16(pub u16);

/// Bfloat16 numbers as floats of the same values, for NPY has no bfloat16.
pub fn widened(bfloat16: &[u16]) -> Vec<f32> {
    bfloat16.iter().map(|&bits| f32::from_bits(u32::from(bits) << 16)).collect()
}

/// A number that an NPY file holds.
pub trait Element: Copy {
    const DESCR: &'static str;
    const SIZE: usize;
    fn put(self, bytes: &mut Vec<u8>);
    /// None for bytes that are no such number.
    fn get(bytes: &[u8]) -> Option<Self>;
}

macro_rules! element {
    ($($number:ty, $descr:literal;)*) => {$(
        impl Element for $number {
            const DESCR: &'static str = $descr;
            const SIZE: usize = size_of::<$number>();
            fn put(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
            fn get(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(<$number>::from_le_bytes)
            }
        }
    )*};
}

element! {
    f32, "<f4"; f64, "<f8";
    i8, "|i1"; i16, "<i2"; i32, "<i4"; i64, "<i8";
    u8, "|u1"; u16, "<u2"; u32, "<u4"; u64, "<u8";
}

impl Element for F16 {
    const DESCR: &'static str = "<f2";
    const SIZE: usize = 2;
    fn put(self, bytes: &mut Vec<u8>) {
        self.0.put(bytes);
    }
    fn get(bytes: &[u8]) -> Option<Self> {
        u16::get(bytes).map(F16)
    }
}

impl Element for bool {
    const DESCR: &'static str = "|b1";
    const SIZE: usize = 1;
    fn put(self, bytes: &mut Vec<u8>) {
        bytes.push(self.into());
    }
    fn get(bytes: &[u8]) -> Option<Self> {
        [false, true].into_iter().find(|&value| bytes == [value.into()])
    }
}

fn refusal(why: String) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

/// How many numbers a shape has, where their bytes can be counted.
fn count<T: Element>(shape: &[usize]) -> Option<usize> {
    let count = shape.iter().try_fold(1_usize, |product, &length| product.checked_mul(length))?;
    count.checked_mul(T::SIZE).map(|_| count)
}

/// Where the value stands in memory that is the `index`-th in C order.
pub fn place(mut index: usize, shape: &[usize], size: usize, order: Order) -> usize {
    if order == Order::C {
        return index;
    }
    let (mut step, mut at) = (size, 0);
    for &length in shape.iter().rev() {
        step /= length;
        at += index % length * step;
        index /= length;
    }
    at
}

/// What a header says, as numpy.save spells it.
fn dictionary<T: Element>(shape: &[usize], order: Order) -> String {
    let (descr, fortran) = (T::DESCR, if order == Order::C { "False" } else { "True" });
    let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({}{comma}), }}", lengths.join(", "))
}

/// The bytes before the values, as numpy.save pads them: one axis has room to grow, and values begin at 64 bytes.
fn header<T: Element>(shape: &[usize], order: Order) -> Result<Vec<u8>> {
    let mut text = dictionary::<T>(shape, order);
    let grows = if order == Order::C { shape.first() } else { shape.last() };
    let room = grows.map_or(0, |length| 21 - length.to_string().len());
    text.push_str(&" ".repeat(room));
    text.push_str(&" ".repeat(64 - (11 + text.len()) % 64));
    text.push('\n');
    let length = u16::try_from(text.len()).map_err(|_| refusal("a shape of too many axes for NPY 1.0".into()))?;
    Ok([MAGIC, &length.to_le_bytes()[..], text.as_bytes()].concat())
}

/// A folder of dumps.
pub struct Dump {
    folder: PathBuf,
    written: BTreeSet<String>,
}

impl Dump {
    /// The folder is made where it is not there.
    pub fn new(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(Dump { folder, written: BTreeSet::new() })
    }

    /// The values of a tap. A loop numbers its taps: "ode.state[step=3]".
    pub fn write<T: Element>(&mut self, tap: &str, values: &[T], shape: &[usize], order: Order) -> Result<()> {
        if count::<T>(shape) != Some(values.len()) {
            return Err(refusal(format!("tap '{tap}': {} values for the shape {shape:?}", values.len())));
        }
        let mut bytes = header::<T>(shape, order)?;
        values.iter().for_each(|value| value.put(&mut bytes));
        self.put(tap, ".npy", &bytes)
    }

    /// A file of a tap, whole or not at all.
    pub fn put(&mut self, tap: &str, ending: &str, bytes: &[u8]) -> Result<()> {
        if tap.is_empty() || tap.starts_with('.') || tap.contains(['/', '\\', '\0']) {
            return Err(refusal(format!("tap '{tap}': a name begins with no dot and has no / and no \\")));
        }
        if !self.written.insert(tap.into()) {
            return Err(refusal(format!("tap '{tap}' is dumped twice: number it, as in {tap}[step=1]")));
        }
        let partial = self.folder.join(format!(".{tap}{ending}.partial"));
        let file = self.folder.join(format!("{tap}{ending}"));
        let written = fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, file));
        written.inspect_err(|_| drop(fs::remove_file(&partial)))
    }
}

/// An array of a file, its values in C order.
pub struct Array<T> {
    pub shape: Vec<usize>,
    pub values: Vec<T>,
}

/// The array in a file, whose dtype must be `T`.
pub fn read<T: Element>(path: impl AsRef<Path>) -> Result<Array<T>> {
    let path = path.as_ref();
    let refuse = |why: &str| refusal(format!("{}: {why}", path.display()));
    let file = fs::read(path).map_err(|error| Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    let rest = file.strip_prefix(MAGIC).ok_or_else(|| refuse("not an NPY file of version 1.0"))?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(|| refuse("truncated"))?;
    let (text, data) = rest.split_at_checked(u16::from_le_bytes(*length).into()).ok_or_else(|| refuse("truncated"))?;
    let text = String::from_utf8_lossy(text);
    let order = if text.contains("'fortran_order': True") { Order::Fortran } else { Order::C };
    let lengths = text.split(['(', ')']).nth(1).unwrap_or_default().split(',');
    let shape: Vec<usize> = lengths.filter_map(|length| length.trim().parse().ok()).collect();
    let expected = dictionary::<T>(&shape, order);
    if text.trim_end() != expected {
        return Err(refuse(&format!("got {}; expected {expected}", text.trim_end())));
    }
    let size = count::<T>(&shape).filter(|size| size * T::SIZE == data.len());
    let size = size.ok_or_else(|| refuse("truncated or over-long"))?;
    let places = (0..size).map(|index| place(index, &shape, size, order));
    let values = places.map(|at| T::get(&data[at * T::SIZE..][..T::SIZE]));
    let values = values.collect::<Option<_>>().ok_or_else(|| refuse("bools other than 0 and 1"))?;
    Ok(Array { shape, values })
}
