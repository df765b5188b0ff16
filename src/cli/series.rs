//! Time series from CSV files: dates or plain numbers, one or more columns of values, with gaps.

use std::io::{BufRead, BufReader, Read};

use anyhow::{Context, Result, anyhow, bail};
use csv::ByteRecord;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::args::{self, TimeFormat};
use crate::stream;

#[cfg(test)]
mod tests;

/// Values at uneven times.
#[derive(Debug)]
pub(crate) struct Series {
    /// Name of the column of values.
    pub(crate) name: String,
    pub(crate) times: Vec<f64>,
    pub(crate) values: Vec<f64>,
    /// Standard deviations, if a column has them.
    pub(crate) errors: Option<Vec<f64>>,
    /// Rows left out because a time, a value or an error is missing or NaN.
    pub(crate) gaps: usize,
    pub(crate) unit: Unit,
}

/// The unit of times, by its names in the singular and the plural.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Unit {
    pub(crate) one: &'static str,
    pub(crate) many: &'static str,
    seconds: f64,
}

/// Times are numbers in the caller's own unit.
const OWN: Unit = Unit { one: "unit", many: "", seconds: 1.0 };
/// The units of dates; the first of which the series is at least three long is taken.
const UNITS: [Unit; 5] = [
    Unit { one: "year", many: "years", seconds: 365.25 * 86_400.0 },
    Unit { one: "day", many: "days", seconds: 86_400.0 },
    Unit { one: "hour", many: "hours", seconds: 3_600.0 },
    Unit { one: "minute", many: "minutes", seconds: 60.0 },
    Unit { one: "second", many: "seconds", seconds: 1.0 },
];

/// The places of the columns that are read.
struct Columns {
    time: usize,
    values: Vec<usize>,
    errors: Option<usize>,
    names: Vec<String>,
    /// Whether the first row holds data and not names.
    first_is_data: bool,
}

impl Series {
    /// Reads the columns of the file that the arguments name: a series for each column of values.
    pub(crate) fn read(args: &args::Periodogram) -> Result<Vec<Self>> {
        Self::parse(stream::open(&args.data)?, args)
    }

    /// Reads the columns from the contents of the file.
    fn parse(contents: impl Read, args: &args::Periodogram) -> Result<Vec<Self>> {
        let path = args.data.as_path();
        let mut contents = BufReader::new(contents);
        let delimiter = delimiter(&mut contents, args).with_context(|| format!("cannot read {}", path.display()))?;
        let mut builder = csv::ReaderBuilder::new();
        builder.has_headers(false).comment(Some(b'#')).delimiter(delimiter);
        let mut reader = builder.from_reader(Collapsed { contents, collapse: delimiter == b' ', after_space: true });
        let mut record = ByteRecord::new();
        let unreadable = || format!("{} is not a CSV file with columns and rows of the same length", path.display());
        if !reader.read_byte_record(&mut record).with_context(unreadable)? {
            bail!("{} holds no row", path.display());
        }
        let columns = Columns::find(&record, args)?;
        let mut times = Times::new(args.time_format, args.decimal_comma);
        let mut numbers: Vec<Vec<f64>> = vec![Vec::new(); columns.values.len() + usize::from(columns.errors.is_some())];
        let (mut gaps, mut rows) = (0, 0);
        let mut more = columns.first_is_data || reader.read_byte_record(&mut record).with_context(unreadable)?;
        while more {
            let line = record.position().map_or(0, csv::Position::line);
            let time = text(&record, columns.time).filter(|text| !missing(text));
            if let Some(time) = time {
                times.push(line, time);
            } else {
                gaps += 1;
            }
            for (numbers, &column) in numbers.iter_mut().zip(columns.values.iter().chain(&columns.errors)) {
                let number = text(&record, column).map_or(Ok(f64::NAN), |text| parse(text, args.decimal_comma));
                let name = &columns.names[column];
                let number = number.with_context(|| format!("{} line {line}, column {name}", path.display()))?;
                if time.is_some() {
                    numbers.push(number);
                }
            }
            rows += 1;
            // A pipe may have no end. What is kept is copied once more.
            let kept = 16 * rows * (numbers.len() as u64 + 1);
            if rows % (1 << 20) == 0 && wavemill::available_memory().is_some_and(|available| kept > available) {
                bail!("{}: {rows} rows take half of memory, and there are more; give a part of them", path.display());
            }
            more = reader.read_byte_record(&mut record).with_context(unreadable)?;
        }
        let (times, unit) =
            times.finish().with_context(|| format!("{}, column {}", path.display(), columns.names[columns.time]))?;
        let errors = columns.errors.and_then(|_| numbers.pop());
        let names = columns.values.iter().map(|&column| columns.names[column].clone());
        Ok(names
            .zip(numbers)
            .map(|(name, values)| Self::without_gaps(name, &times, values, &errors, gaps, unit))
            .collect())
    }

    fn without_gaps(
        name: String,
        times: &[f64],
        mut values: Vec<f64>,
        errors: &Option<Vec<f64>>,
        gaps: usize,
        unit: Unit,
    ) -> Self {
        let there =
            |index: usize| !values[index].is_nan() && errors.as_ref().is_none_or(|errors| !errors[index].is_nan());
        let kept: Vec<bool> = (0..times.len()).map(there).collect();
        let of = |numbers: &[f64]| -> Vec<f64> {
            numbers.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(number, _)| *number).collect()
        };
        let gaps = gaps + kept.iter().filter(|kept| !**kept).count();
        let (times, errors) = (of(times), errors.as_ref().map(|errors| of(errors)));
        values = of(&values);
        Self { name, times, values, errors, gaps, unit }
    }
}

impl Columns {
    /// Finds the columns by their names in the first row, or by their numbers.
    fn find(first: &ByteRecord, args: &args::Periodogram) -> Result<Self> {
        let fields: Vec<&str> = (0..first.len()).map(|column| text(first, column).unwrap_or("")).collect();
        let default = ["2".to_owned()];
        let values = if args.value.is_empty() { &default[..] } else { &args.value };
        let (time, errors) = (args.time.as_deref().unwrap_or("1"), args.errors.as_deref());
        // A number is a column's place unless a column has that name.
        let by_number = |name: &str| {
            let place = name.parse::<usize>().ok().filter(|place| (1..=fields.len()).contains(place));
            place.map(|place| place - 1)
        };
        let named = |name: &str| fields.iter().position(|field| *field == name);
        let asked = || values.iter().map(String::as_str).chain([time]).chain(errors);
        let is_number = |place: usize| parse(fields[place], args.decimal_comma).is_ok();
        let is_time = |place: usize| seconds(fields[place]).is_some() || is_number(place);
        // Without names in the first row all columns are asked for by number, and their fields are data.
        let first_is_data = asked().all(|name| by_number(name).is_some())
            && by_number(time).is_some_and(is_time)
            && values.iter().map(String::as_str).chain(errors).filter_map(by_number).all(is_number);
        let find = |name: &str, option: &str| {
            let place = if first_is_data { by_number(name) } else { named(name).or_else(|| by_number(name)) };
            place.ok_or_else(|| {
                let names = fields.join(", ");
                if args.is_default(name) {
                    anyhow!("there are too few columns for {option}; found: {names}")
                } else {
                    anyhow!("there is no column {name}; give {option} one of: {names}, or its place from 1 on")
                }
            })
        };
        let names = if first_is_data {
            (1..=fields.len()).map(|place| format!("column {place}")).collect()
        } else {
            fields.iter().map(|&name| name.to_owned()).collect()
        };
        Ok(Self {
            time: find(time, "--time")?,
            values: values.iter().map(|name| find(name, "--value")).collect::<Result<_>>()?,
            errors: errors.map(|name| find(name, "--errors")).transpose()?,
            names,
            first_is_data,
        })
    }
}

/// The text of a field without white space around it; `None` if it is not UTF-8 or not there.
fn text(record: &ByteRecord, column: usize) -> Option<&str> {
    std::str::from_utf8(record.get(column)?.trim_ascii()).ok().map(|text| text.trim_start_matches('\u{feff}'))
}

/// The delimiter that was asked for, or the first of tab, semicolon, comma and space that the first line has.
fn delimiter(contents: &mut impl BufRead, args: &args::Periodogram) -> Result<u8> {
    if let Some(delimiter) = args.delimiter {
        return Ok(delimiter);
    }
    let start = contents.fill_buf()?;
    let mut lines = start.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let line = lines.find(|line| !line.is_empty() && line[0] != b'#').unwrap_or(b"");
    let found = |delimiter: &u8| line.contains(delimiter) && !(args.decimal_comma && *delimiter == b',');
    Ok([b'\t', b';', b',', b' '].into_iter().find(found).unwrap_or(b','))
}

/// Contents in which, to be delimited by spaces, each run of spaces or tabs is one space and lines begin with none.
struct Collapsed<R> {
    contents: R,
    collapse: bool,
    after_space: bool,
}

impl<R: Read> Read for Collapsed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let count = self.contents.read(buffer)?;
            if !self.collapse || count == 0 {
                return Ok(count);
            }
            let mut kept = 0;
            for index in 0..count {
                let byte = if buffer[index] == b'\t' { b' ' } else { buffer[index] };
                if byte == b' ' && self.after_space {
                    continue;
                }
                self.after_space = byte == b' ' || byte == b'\n';
                buffer[kept] = byte;
                kept += 1;
            }
            if kept > 0 {
                return Ok(kept);
            }
        }
    }
}

/// The ways in which a missing value is commonly written.
fn missing(text: &str) -> bool {
    text.is_empty()
        || (text.len() <= 4
            && ["nan", "na", "n/a", "null", "none", "-"].iter().any(|word| text.eq_ignore_ascii_case(word)))
}

/// The number in a text, NaN where it is missing.
fn parse(text: &str, comma: bool) -> Result<f64> {
    match number(text, comma) {
        Some(value) => Ok(value),
        None if missing(text) => Ok(f64::NAN),
        None if text.parse::<f64>().is_ok() => bail!("{text} is not finite; leave gaps empty or write NaN"),
        None if !comma && number(text, true).is_some() => {
            bail!("{text} is no number with a decimal point; give --decimal-comma if it has a comma")
        }
        None => bail!("{text} is no number; leave gaps empty or write NaN"),
    }
}

fn number(text: &str, comma: bool) -> Option<f64> {
    let value: f64 =
        if comma && text.contains(',') { text.replacen(',', ".", 1).parse() } else { text.parse() }.ok()?;
    Some(value).filter(|value| value.is_finite())
}

/// Times that may be dates or numbers until one of them is not.
struct Times {
    dates: Result<Vec<f64>, (u64, String)>,
    numbers: Result<Vec<f64>, (u64, String)>,
    format: TimeFormat,
    comma: bool,
}

impl Times {
    fn new(format: TimeFormat, comma: bool) -> Self {
        Self { dates: Ok(Vec::new()), numbers: Ok(Vec::new()), format, comma }
    }

    fn push(&mut self, line: u64, text: &str) {
        let Self { dates, numbers, format, comma } = self;
        let add = |times: &mut Result<Vec<f64>, _>, parsed: &dyn Fn() -> Option<f64>| {
            if let Ok(list) = times {
                match parsed() {
                    Some(time) => list.push(time),
                    None => *times = Err((line, text.to_owned())),
                }
            }
        };
        if *format != TimeFormat::Number {
            add(dates, &|| seconds(text));
        }
        if *format != TimeFormat::Date {
            add(numbers, &|| number(text, *comma));
        }
    }

    /// All times in one unit.
    fn finish(self) -> Result<(Vec<f64>, Unit)> {
        match (self.format, self.dates, self.numbers) {
            // Dates come first, since 20010203 is a number as well.
            (TimeFormat::Auto | TimeFormat::Date, Ok(mut dates), _) => {
                let (first, last) = dates.iter().fold((f64::MAX, f64::MIN), |(a, b), &at| (a.min(at), b.max(at)));
                let unit = UNITS.into_iter().find(|unit| last - first >= 3.0 * unit.seconds).unwrap_or(UNITS[4]);
                dates.iter_mut().for_each(|date| *date /= unit.seconds);
                Ok((dates, unit))
            }
            (TimeFormat::Auto | TimeFormat::Number, _, Ok(numbers)) => Ok((numbers, OWN)),
            (TimeFormat::Date, Err((line, text)), _) => {
                bail!("line {line}: {text} is no date; write YYYYMMDD, YYYY-MM-DD or RFC 3339")
            }
            (TimeFormat::Number, _, Err((line, text))) => bail!("line {line}: {text} is no finite number"),
            (TimeFormat::Auto, Err((line, text)), Err((other, number))) => bail!(
                "line {line}: {text} is no date and line {other}: {number} is no number; write all times as YYYYMMDD, \
                 YYYY-MM-DD or RFC 3339, or all as numbers"
            ),
        }
    }
}

/// Seconds since 1970.
fn seconds(text: &str) -> Option<f64> {
    let day = |date: Date| timestamp(date.to_datetime(jiff::civil::Time::midnight()));
    let at = if text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        day(Date::strptime("%Y%m%d", text).ok()?)
    } else if text.contains('-') {
        let timestamp_at = text.parse::<Timestamp>().ok();
        timestamp_at.or_else(|| text.parse::<DateTime>().ok().and_then(timestamp))
    } else {
        None
    };
    Some(at?.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64())
}

fn timestamp(at: DateTime) -> Option<Timestamp> {
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
