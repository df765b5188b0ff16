//! Tests of `wavemill periodogram`: the periods of measured and synthetic series, and the formats of times.

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;

use crate::{Folder, fail, numbers, succeed};

/// The numbers of a table's first column.
fn periods(printed: &str) -> Vec<f64> {
    let rows = printed.lines().skip_while(|line| !line.contains("over background")).skip(1);
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
    assert!(found.len() >= 2 && (found[0] - 1.0).abs() < 0.005 && (found[1] - 0.5).abs() < 0.005, "{printed}");
    let drawing = fs::read_to_string(&out).unwrap();
    assert!(drawing.starts_with("<svg") && drawing.trim_end().ends_with("</svg>"));
    assert!(drawing.contains("cycles per year") && drawing.contains("1.00 years") && drawing.contains("0.50 years"));
    let line = fail(&["periodogram", &data, "--time", "when"]);
    assert!(line.contains("when") && line.contains("date, co2"), "{line}");
}

#[test]
fn times_are_numbers_or_dates_of_any_common_form() {
    let folder = Folder::new("times");
    let path = folder.path("data.csv");
    let day = |day: i64| jiff::Timestamp::from_second(day * 86_400).unwrap().to_string();
    // Samples are 1 to 4 days apart over about 3 years; the wave has a period of 30 days, or 30 units if times are
    // numbers.
    let days: Vec<i64> =
        numbers(400, 5).scan(0, |at, x| Some(std::mem::replace(at, *at + 1 + (4.0 * x) as i64))).collect();
    let forms: [(&dyn Fn(i64) -> String, f64); 4] = [
        (&|at| at.to_string(), 30.0),
        (&|at| day(at), 30.0 / 365.25),
        (&|at| day(at)[..10].to_owned(), 30.0 / 365.25),
        (&|at| day(at)[..10].replace('-', ""), 30.0 / 365.25),
    ];
    for (form, period) in forms {
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
        assert!(!found.is_empty() && (found[0] / period - 1.0).abs() < 0.01, "{printed}");
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
