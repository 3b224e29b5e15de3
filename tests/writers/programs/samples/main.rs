//! `samples FOLDER` dumps the samples, `twice FOLDER TAP` one tap twice, `copy DTYPE FILE FOLDER TAP` what it reads,
//! and `record DTYPE FILE FOLDER TAP` the record of what it reads, with one leading axis.
mod parity_dump;
mod parity_reduced;

use parity_dump::{read, widened, Dump, Element, Order, F16};
use parity_reduced::Number;
use std::io::{Error, Result};

fn copy<T: Element>(file: &str, folder: &str, tap: &str) -> Result<()> {
    let array = read::<T>(file)?;
    Dump::new(folder)?.write(tap, &array.values, &array.shape, Order::C)
}

fn record<T: Element + Number>(file: &str, folder: &str, tap: &str) -> Result<()> {
    let array = read::<T>(file)?;
    let record = parity_reduced::record(&array.values, &array.shape, 1, T::NAME)?;
    Dump::new(folder)?.put(tap, ".json", record.as_bytes())
}

fn samples(folder: &str) -> Result<()> {
    let mut dump = Dump::new(folder)?;
    let ramp: Vec<f32> = (0..24).map(|i| i as f32 / 4.0 - 1.0).collect();
    let mut by_columns = [0.0_f32; 24];
    for (i, &value) in ramp.iter().enumerate() {
        by_columns[i / 12 + i / 4 % 3 * 2 + i % 4 * 6] = value;
    }
    dump.write("decoder.mid.3.resnet[step=2]", &ramp, &[2, 3, 4], Order::C)?;
    dump.write("fortran[order=F]", &by_columns, &[2, 3, 4], Order::Fortran)?;
    dump.write("float64", &[std::f64::consts::PI, -0.0, f64::INFINITY], &[3], Order::C)?;
    dump.write("float16", &[F16(0x3c00), F16(0xc000), F16(0x3800), F16(0x7bff)], &[2, 2], Order::C)?;
    dump.write("bfloat16", &widened(&[0x3f80, 0xc000, 0x4049]), &[3], Order::C)?;
    dump.write("t3.token[token=0]", &[7_i64, -8, 1 << 62], &[1, 3], Order::C)?;
    dump.write("int32", &[-1_i32, i32::MAX], &[2], Order::C)?;
    dump.write("bool", &[true, false, true], &[3, 1], Order::C)?;
    dump.write("scalar", &[0.25_f32], &[], Order::C)?;
    dump.write::<f32>("empty", &[], &[0, 3], Order::C)?;
    dump.write("twenty.axes", &[0_u8], &[1; 20], Order::C)
}

fn twice(folder: &str, tap: &str) -> Result<()> {
    let mut dump = Dump::new(folder)?;
    dump.write(tap, &[1.0_f32], &[], Order::C)?;
    dump.write(tap, &[1.0_f32], &[], Order::C)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match given[..] {
        ["samples", folder] => samples(folder),
        ["twice", folder, tap] => twice(folder, tap),
        ["copy", "float32", file, folder, tap] => copy::<f32>(file, folder, tap),
        ["copy", "float64", file, folder, tap] => copy::<f64>(file, folder, tap),
        ["copy", "float16", file, folder, tap] => copy::<F16>(file, folder, tap),
        ["copy", "int64", file, folder, tap] => copy::<i64>(file, folder, tap),
        ["copy", "int32", file, folder, tap] => copy::<i32>(file, folder, tap),
        ["copy", "bool", file, folder, tap] => copy::<bool>(file, folder, tap),
        ["record", "float32", file, folder, tap] => record::<f32>(file, folder, tap),
        ["record", "float64", file, folder, tap] => record::<f64>(file, folder, tap),
        ["record", "int64", file, folder, tap] => record::<i64>(file, folder, tap),
        ["record", "int32", file, folder, tap] => record::<i32>(file, folder, tap),
        ["record", "bool", file, folder, tap] => record::<bool>(file, folder, tap),
        _ => Err(Error::other("no such command")),
    }
}
