//! Tests of `wavemill periodogram`: the periods of measured and synthetic series, and the formats of times.

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;

use crate::{Folder, fail, numbers, succeed};

/// The numbers of a table's first column.
fn periods(printed: &str) -> Vec<f64> {
    let rows = printed.lines().skip_while(|line| !line.contains("false alarm")).skip(1);
    rows.filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

#[test]
fn carbon_dioxide_varies_with_the_year_and_its_half() {
    let folder = Folder::new("co2");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/mauna_loa_co2.csv");
    let (data, out) = (data.display().to_string(), folder.path("p.svg"));
    let printed = succeed(&["periodogram", &data, "--time", "date", "--value", "co2", "--out", &out]);
    assert!(printed.contains("2225 values") && printed.contains("59 gaps"), "{printed}");
    let found = periods(&printed);
    assert!(found.len() == 2 && (found[0] - 1.0).abs() < 0.005 && (found[1] - 0.5).abs() < 0.005, "{printed}");
    let drawing = fs::read_to_string(&out).unwrap();
    assert!(drawing.starts_with("<svg") && drawing.trim_end().ends_with("</svg>"));
    assert!(drawing.contains("cycles per year") && drawing.contains("0.99950 years") && drawing.contains("folded by"));
    // The README shows this drawing; pixels may differ by rounding, words do not.
    let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/co2.svg");
    let words = |drawing: &str| -> Vec<String> {
        let texts = drawing
            .split("<text")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('>')?.1.split_once('<')?.0.trim().to_owned()));
        texts.collect()
    };
    assert!(words(&drawing).len() > 20, "{:?}", words(&drawing));
    assert_eq!(words(&fs::read_to_string(shown).unwrap()), words(&drawing), "draw examples/data/co2.svg anew");
    let line = fail(&["periodogram", &data, "--time", "when"]);
    assert!(line.contains("when") && line.contains("date, co2"), "{line}");
}

#[test]
fn times_are_numbers_or_dates_of_any_common_form() {
    let folder = Folder::new("times");
    let path = folder.path("data.csv");
    let day = |day: i64| jiff::Timestamp::from_second(day * 86_400).unwrap().to_string();
    // Samples are 1 to 4 days apart over less than 3 years, so that dates are in days; the wave has a period of 30.
    let days: Vec<i64> =
        numbers(400, 5).scan(0, |at, x| Some(std::mem::replace(at, *at + 1 + (4.0 * x) as i64))).collect();
    let forms: [&dyn Fn(i64) -> String; 4] =
        [&|at| at.to_string(), &|at| day(at), &|at| day(at)[..10].to_owned(), &|at| day(at)[..10].replace('-', "")];
    for form in forms {
        let mut text = "t,y\n".to_owned();
        for (row, &at) in days.iter().enumerate() {
            let noise = f64::from(row as u32 * 7919 % 101) / 500.0;
            let value = 3.0 + 0.001 * at as f64 + (TAU * at as f64 / 30.0).sin() + noise;
            let value = if row % 40 == 7 { "NaN".to_owned() } else { value.to_string() };
            text.push_str(&format!("{},{value}\n", form(at)));
        }
        fs::write(&path, text).unwrap();
        let printed = succeed(&["periodogram", &path]);
        let found = periods(&printed);
        assert!(!found.is_empty() && (found[0] / 30.0 - 1.0).abs() < 0.01, "{printed}");
        assert!(printed.contains("10 gaps"), "{printed}");
    }
    for (text, part) in [
        ("t,y\n", "usable rows"),
        ("t,y\n1,2\nyesterday,3\n", "line 3"),
        ("t,y\n1,2\n2,many\n", "line 3"),
        ("t\n1\n", "--value"),
        ("t,y\n1,2,3\n", "same length"),
    ] {
        fs::write(&path, text).unwrap();
        let out = folder.path("p.svg");
        let line = fail(&["periodogram", &path, "--out", &out]);
        assert!(line.contains(part), "{line}");
        assert_eq!(folder.names(), ["data.csv"]);
    }
}

/// Noise from a seed: sums of twelve numbers uniform in [0, 1), less 6.
fn noise(count: usize, seed: u32) -> Vec<f64> {
    let uniform: Vec<f64> = numbers(12 * count, seed).collect();
    uniform.chunks_exact(12).map(|twelve| twelve.iter().sum::<f64>() - 6.0).collect()
}

fn csv(path: &str, rows: impl Iterator<Item = (f64, f64)>) {
    fs::write(path, rows.fold("t,y\n".to_owned(), |text, (t, y)| text + &format!("{t},{y}\n"))).unwrap();
}

#[test]
fn a_wave_with_a_gap_is_the_strongest_and_the_only_one() {
    let folder = Folder::new("gap");
    let path = folder.path("data.csv");
    // Two pieces of 20 units, 60 apart: the side lobes are nearly as high as the peak.
    let times = (0..200).map(|j| f64::from(j % 100) * 20.0 / 99.0 + f64::from(j / 100) * 80.0);
    csv(&path, times.map(|t| (t, (TAU * 0.2 * t + 0.3).sin())));
    let found = periods(&succeed(&["periodogram", &path, "--detrend", "0"]));
    assert!(found.len() == 1 && (found[0] - 5.0).abs() < 1e-9, "{found:?}");
}

#[test]
fn noise_of_any_colour_has_no_period() {
    let folder = Folder::new("noise");
    let path = folder.path("data.csv");
    let none = |printed: String| assert!(printed.contains("No period stands out"), "{printed}");
    csv(&path, noise(200_000, 1).into_iter().enumerate().map(|(t, y)| (t as f64, y)));
    none(succeed(&["periodogram", &path]));
    for seed in 2..12 {
        // A first-order autoregression, whose spectrum rises towards low frequencies.
        let mut last = 0.0;
        let red: Vec<f64> = noise(400, seed)
            .iter()
            .map(|e| {
                last = 0.8 * last + e;
                last
            })
            .collect();
        csv(&path, red.iter().enumerate().map(|(t, &y)| (t as f64, y)));
        none(succeed(&["periodogram", &path]));
        // A wave amid it is found, and its deviation is that of the noise around it.
        csv(&path, red.iter().enumerate().map(|(t, &y)| (t as f64, y + 3.0 * (TAU * 0.1 * t as f64).sin())));
        let found = periods(&succeed(&["periodogram", &path]));
        assert!(found.len() == 1 && (found[0] - 10.0).abs() < 0.1, "{found:?}");
    }
    csv(&path, (0..100).map(|t| (f64::from(t), 1e10 + 0.1)));
    assert!(fail(&["periodogram", &path]).contains("does not vary"));
}

#[test]
fn columns_delimiters_and_commas_of_any_kind() {
    let folder = Folder::new("columns");
    let (path, out, drawing) = (folder.path("data.csv"), folder.path("out.csv"), folder.path("out.svg"));
    let rest = noise(150, 3);
    let row = |j: usize| {
        let t = j as f64 + 0.3 * rest[j].sin();
        let y = (TAU * t / 7.5).sin() + 0.05 * rest[j];
        // A square wave, which has odd multiples of its frequency.
        (t, y, (TAU * t / 11.0).sin().signum() + 0.05 * rest[149 - j], 0.05 + 0.01 * (j % 3) as f64)
    };
    let write = |header: &str, delimiter: &str, comma: bool| {
        let number = |x: f64| if comma { x.to_string().replace('.', ",") } else { x.to_string() };
        let rows = (0..150).map(|j| {
            let (t, y, z, e) = row(j);
            [t, y, z, e].map(number).join(delimiter) + "\n"
        });
        fs::write(&path, header.to_owned() + &rows.collect::<String>()).unwrap();
    };
    let holds = |args: &[&str], expected: &[f64]| {
        let printed = succeed(&[&["periodogram", path.as_str()], args].concat());
        let found = periods(&printed);
        assert!(printed.contains("150 values") && !found.is_empty(), "{printed}");
        for expected in expected {
            assert!(found.iter().any(|found| (found - expected).abs() < 0.02), "{expected}: {printed}");
        }
        printed
    };
    for (delimiter, option) in [(",", None), (";", None), ("\t", None), ("   ", None), ("|", Some("|"))] {
        let options: Vec<&str> = option.map_or(Vec::new(), |character| vec!["--delimiter", character]);
        write(&["t", "y", "z", "e\n"].join(delimiter), delimiter, false);
        holds(&options, &[7.5]);
        holds(&[&options[..], &["--value", "z", "--errors", "e", "--time", "t"]].concat(), &[11.0, 11.0 / 3.0]);
        // Without names no row is lost.
        write("# a comment\n", delimiter, false);
        holds(&[&options[..], &["--value", "3"]].concat(), &[11.0]);
        if delimiter != "," {
            write("", delimiter, true);
            holds(&[&options[..], &["--decimal-comma"]].concat(), &[7.5]);
            // Without the option, commas between spaces separate columns.
            if delimiter != "   " {
                assert!(fail(&[&["periodogram", &path], &options[..]].concat()).contains("--decimal-comma"));
            }
        }
    }
    write("t,y,z,e\n", ",", false);
    // With three terms a wave is the square wave's first two harmonics, and the third is the next to be found.
    let printed = holds(&["--value", "z", "--terms", "3", "--method", "naive"], &[11.0, 11.0 / 5.0]);
    assert!((periods(&printed)[0] - 11.0).abs() < 0.02 && !printed.contains(" 3.66"), "{printed}");
    let printed = holds(&["--value", "y,z", "--errors", "4", "--out", &format!("{out},{drawing}")], &[]);
    assert!(printed.contains("y: 150") && printed.contains("z: 150"), "{printed}");
    let table = fs::read_to_string(&out).unwrap();
    let best = |name: &str| -> f64 {
        let rows = table.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(','));
        let numbers = rows.map(|row| row.split(',').map(|word| word.parse().unwrap()).collect::<Vec<f64>>());
        numbers.max_by(|a, b| a[1].total_cmp(&b[1])).unwrap()[0]
    };
    assert!(table.starts_with("column,frequency,power,window\n"));
    assert!((best("y") - 1.0 / 7.5).abs() < 0.002 && (best("z") - 1.0 / 11.0).abs() < 0.002);
    let drawn = fs::read_to_string(&drawing).unwrap();
    assert!(drawn.contains("Spectrum of y") && drawn.contains("Spectrum of z") && drawn.contains("spectral window"));
    let drawn = holds(&["--method", "bootstrap", "--frequency-range", "0.1,0.2"], &[7.5]);
    assert!(drawn.contains("<= 1.0e-3"), "{drawn}");
    for (args, part) in [
        (&["--value", "w"][..], "t, y, z, e"),
        (&["--value", "9"], "there is no column 9"),
        (&["--out", "spectrum.png"], ".svg"),
        (&["--frequency-range", "0.1,0.1001"], "wider range"),
        (&["--errors", "y"], "above 0"),
    ] {
        let line = fail(&[&["periodogram", path.as_str()], args].concat());
        assert!(line.contains(part), "{line}");
    }
    // Hours of samples are in hours, and large values keep six digits.
    let at = |j: i64| jiff::Timestamp::from_second(60 * j).unwrap().to_string();
    let rows = (0..600).map(|j| format!("{},{:e}\n", at(j), 1e300 * (TAU * j as f64 / 90.0).sin()));
    fs::write(&path, "t,y\n".to_owned() + &rows.collect::<String>()).unwrap();
    let printed = succeed(&["periodogram", &path, "--detrend", "0"]);
    assert!(printed.contains("period, hours") && printed.contains("e300"), "{printed}");
    assert!((periods(&printed)[0] - 1.5).abs() < 1e-6 && printed.lines().all(|line| line.len() < 160), "{printed}");
}

#[test]
fn frequencies_that_hold_no_peak_or_too_many_are_refused_with_what_to_change() {
    let folder = Folder::new("frequencies");
    let [path, few] = ["data.csv", "few.csv"].map(|name| folder.path(name));
    csv(&path, (0..100).map(|t| (f64::from(t), (0.7 * f64::from(t)).sin())));
    csv(&few, (0..3).map(|t| (f64::from(t), f64::from(t * t))));
    let says = |args: &[&str], parts: &[&str]| {
        let line = fail(&[&["periodogram"], args].concat());
        parts.iter().for_each(|part| assert!(line.contains(part), "{part}: {line}"));
        line
    };
    says(
        &[&path, "--frequency-range", "0.1,0.10001"],
        &["0.1,0.10001 holds no peak", "about 0.01010", "a wider range"],
    );
    says(&[&path, "--frequency-range", "0.1,1e12"], &["too many", "--oversample"]);
    // No option was given, and none is blamed.
    let line = says(&[&few], &["few.csv", "3 usable rows", "10 are needed"]);
    assert!(!line.contains("--max"), "{line}");
}
