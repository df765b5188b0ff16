//! Tests of the CSV reader: arbitrary bytes give a series or an error, but never a panic.

use clap::Parser;

use super::*;
use crate::args::{Args, Command};
use crate::fuzz;

#[test]
fn any_bytes_are_a_series_or_an_error() {
    let options = [&["--time-format", "auto"][..], &["--time-format", "date"], &["--time", "t", "--value", "y"]];
    let options = options.map(|more| {
        let args = Args::parse_from([&["wavemill", "periodogram", "data.csv"], more].concat());
        let Command::Periodogram(args) = args.command else { unreachable!("the command is periodogram") };
        args
    });
    let valid = [
        "t,y\n1,2\n2,3.5\n4,NaN\n5,-1e-3\n",
        "t,y\n20010203,1\n20240229,2\n19991231,\n",
        "date,co2\n2001-02-03,315.71\n2001-02-10T12:30:00Z,1\n2001-02-11T12:30:00+02:00,9\n",
        "\"t\",\"y\",\"a \"\"word\"\"\"\r\n 1 , 2 ,x\r\n-3.5e2,na,y\r\n",
        "\u{feff}t,y\n-009999-01-02,1\n9999-12-31,2\n",
    ];
    let valid = valid.map(|text| text.as_bytes().to_vec());
    fuzz::feed("CSV files", &valid, |bytes| {
        let read = options.iter().filter_map(|args| Series::parse(bytes, args).ok());
        let checked = read.flatten().map(|series| {
            assert_eq!(series.times.len(), series.values.len());
            assert!(series.times.iter().chain(&series.values).all(|number| number.is_finite()), "{series:?}");
            assert!(series.times.len() + series.gaps <= bytes.len());
        });
        checked.count() > 0
    });
}
