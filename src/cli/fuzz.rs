//! The fuzzing loop of the file readers' tests: arbitrary and mutated files for a given time, with a bound on memory.

use std::cell::Cell;
use std::time::Duration;

use arbtest::arbitrary::{Result, Unstructured};

/// Calls `read` with arbitrary bytes, and with `valid` files that are changed in some places. This takes one second, or
/// the number of seconds in the environment variable WAVEMILL_FUZZ_SECONDS. Panics pass through, with a seed that
/// repeats the case.
pub(crate) fn feed(name: &str, valid: &[Vec<u8>], read: impl Fn(&[u8]) -> bool) {
    let seconds = std::env::var("WAVEMILL_FUZZ_SECONDS").map_or(1, |text| text.parse().expect("a number of seconds"));
    let (cases, accepted) = (Cell::new(0u64), Cell::new(0u64));
    let before = peak_memory();
    arbtest::arbtest(|random| {
        let file = if random.ratio(1, 4)? { random.bytes(random.len())?.to_vec() } else { mutated(valid, random)? };
        cases.set(cases.get() + 1);
        accepted.set(accepted.get() + u64::from(read(&file)));
        Ok(())
    })
    .size_max(4096)
    .budget(Duration::from_secs(seconds))
    .run();
    println!("{name}: {} cases, of which {} were read as data", cases.get(), accepted.get());
    assert!(accepted.get() > 0 && cases.get() > accepted.get(), "the cases hold both good and bad files");
    // Files have some kilobytes: a reader that takes more memory than this believed a length in a file's header.
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        assert!(after - before < 256 << 20, "the readers took {} bytes of memory", after - before);
    }
}

/// A valid file with some bytes replaced, removed, repeated or inserted, or the end cut off.
fn mutated(valid: &[Vec<u8>], random: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut file = random.choose(valid)?.clone();
    for _ in 0..random.int_in_range(0..=6)? {
        let at = random.choose_index(file.len().max(1))?.min(file.len());
        let end = (at + random.int_in_range(0..=12)?).min(file.len());
        match random.int_in_range(0..=5)? {
            0 => drop(file.drain(at..end)),
            1 => {
                let part = file[at..end].to_vec();
                let times = random.int_in_range(1..=400)?;
                drop(file.splice(at..at, part.repeat(times)));
            }
            2 => file.truncate(at),
            3 => drop(file.splice(at..at, random.arbitrary::<[u8; 3]>()?)),
            // Texts that readers treat specially.
            4 => {
                let words = ["{", "(", "[", "'", ",", "\n", "\"", "-", "9", "18446744073709551615", "1e999", "nan"];
                drop(file.splice(at..end, random.choose(&words)?.bytes()));
            }
            _ => {
                if let Some(byte) = file.get_mut(at) {
                    *byte = random.arbitrary()?;
                }
            }
        }
    }
    Ok(file)
}

/// The peak of this process's virtual memory, in bytes; `None` if the system does not say.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? << 10)
}
