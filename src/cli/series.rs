//! Time series from CSV files: dates or plain numbers, with gaps.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::args::{self, TimeFormat};
use crate::stream;

#[cfg(test)]
mod tests;

/// Values at uneven times, without the gaps.
#[derive(Debug)]
pub(crate) struct Series {
    /// Times in years or in the numbers' own unit.
    pub(crate) times: Vec<f64>,
    pub(crate) values: Vec<f64>,
    /// Rows left out because a time or a value is missing or NaN.
    pub(crate) gaps: usize,
    /// "years", or empty if times are plain numbers.
    pub(crate) unit: &'static str,
    /// Name of the column of values.
    pub(crate) name: String,
}

/// A row's time and value, with its line in the file.
struct Row {
    line: u64,
    time: String,
    value: f64,
}

impl Series {
    /// Reads the columns of the file that the arguments name.
    pub(crate) fn read(args: &args::Periodogram) -> Result<Self> {
        Self::parse(stream::open(&args.data)?, args)
    }

    /// Reads the columns from the contents of the file.
    fn parse(contents: impl Read, args: &args::Periodogram) -> Result<Self> {
        let path = args.data.as_path();
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(contents);
        let header = reader.headers().with_context(|| unreadable(path))?.clone();
        let time = column(&header, args.time.as_deref(), 0, "--time")?;
        let value = column(&header, args.value.as_deref(), 1, "--value")?;
        let mut rows = Vec::new();
        let mut gaps = 0;
        for record in reader.records() {
            let record = record.with_context(|| unreadable(path))?;
            let line = record.position().map_or(0, csv::Position::line);
            let number = record.get(value).and_then(|text| parse_value(text).transpose());
            let number = number
                .transpose()
                .with_context(|| format!("{} line {line}, column {}", path.display(), &header[value]))?;
            match (record.get(time).filter(|text| !missing(text)), number) {
                (Some(time), Some(value)) => rows.push(Row { line, time: time.to_owned(), value }),
                _ => gaps += 1,
            }
        }
        let (times, unit) = parse_times(&rows, args.time_format)
            .with_context(|| format!("{}, column {}", path.display(), &header[time]))?;
        let values = rows.iter().map(|row| row.value).collect();
        Ok(Self { times, values, gaps, unit, name: header[value].to_owned() })
    }
}

fn unreadable(path: &Path) -> String {
    format!("{} is not a CSV file with a line of column names and rows of the same length", path.display())
}

/// The index of a column by name, or the one at `default`.
fn column(header: &csv::StringRecord, name: Option<&str>, default: usize, option: &str) -> Result<usize> {
    let names = || header.iter().collect::<Vec<_>>().join(", ");
    match name {
        Some(name) => header
            .iter()
            .position(|column| column == name)
            .ok_or_else(|| anyhow!("there is no column {name}; give {option} one of: {}", names())),
        None if default < header.len() => Ok(default),
        None => bail!("there are too few columns for {option}; found: {}", names()),
    }
}

/// The ways in which a missing value is commonly written.
fn missing(text: &str) -> bool {
    ["", "nan", "na", "n/a", "null", "none", "-"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn parse_value(text: &str) -> Result<Option<f64>> {
    if missing(text) {
        return Ok(None);
    }
    let value: f64 = text.parse().map_err(|_| anyhow!("{text} is no number; leave gaps empty or write NaN"))?;
    if value.is_infinite() {
        bail!("{text} is not finite; leave gaps empty or write NaN");
    }
    Ok(Some(value).filter(|value| !value.is_nan()))
}

/// All times in one unit, and the unit's name.
fn parse_times(rows: &[Row], format: TimeFormat) -> Result<(Vec<f64>, &'static str)> {
    let all = |parse: fn(&str) -> Option<f64>| -> Result<Vec<f64>, &Row> {
        rows.iter().map(|row| parse(&row.time).ok_or(row)).collect()
    };
    let (dates, numbers) = (all(years), all(number));
    match (format, dates, numbers) {
        // Dates come first, since 20010203 is a number as well.
        (TimeFormat::Auto | TimeFormat::Date, Ok(dates), _) => Ok((dates, "years")),
        (TimeFormat::Auto | TimeFormat::Number, _, Ok(numbers)) => Ok((numbers, "")),
        (TimeFormat::Date, Err(row), _) => {
            bail!("line {}: {} is no date; write YYYYMMDD, YYYY-MM-DD or RFC 3339", row.line, row.time)
        }
        (TimeFormat::Number, _, Err(row)) => bail!("line {}: {} is no finite number", row.line, row.time),
        (TimeFormat::Auto, Err(date), Err(number)) => bail!(
            "line {}: {} is no date and line {}: {} is no number; write all times as YYYYMMDD, YYYY-MM-DD or RFC 3339, \
             or all as numbers",
            date.line,
            date.time,
            number.line,
            number.time
        ),
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Years of 365.25 days since 1970.
fn years(text: &str) -> Option<f64> {
    const DAYS: f64 = 365.25;
    let day = |date: Date| timestamp(date.to_datetime(jiff::civil::Time::midnight()));
    let at = if text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        day(Date::strptime("%Y%m%d", text).ok()?)
    } else if text.contains('-') {
        let timestamp_at = text.parse::<Timestamp>().ok();
        timestamp_at.or_else(|| text.parse::<DateTime>().ok().and_then(timestamp))
    } else {
        None
    };
    Some(at?.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64() / (DAYS * 86_400.0))
}

fn timestamp(at: DateTime) -> Option<Timestamp> {
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
