//! Opening what users name: a file, a store, a variable in it, or a pattern of files.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::source::description::Source;
use crate::source::joined::Joined;
use crate::source::npy::Npy;

/// Lists of more files than this are not kept open: systems allow some 1000 open files.
const KEPT_OPEN: usize = 256;

/// How a source is opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The axis along which files of a pattern follow one another, by name or number [default: the first].
    pub along: Option<String>,
    /// Whether elements are taken as they are stored, without fill values, scale factors and offsets [default: no].
    pub raw: bool,
}

impl Options {
    /// Files of a pattern follow one another along this axis, a name or a number.
    #[must_use]
    pub fn along(mut self, axis: impl Into<String>) -> Self {
        self.along = Some(axis.into());
        self
    }

    /// Elements are taken as they are stored.
    #[must_use]
    pub fn raw(mut self, raw: bool) -> Self {
        self.raw = raw;
        self
    }
}

/// Opens `path`, `path:variable` or `pattern:variable`.
///
/// A path leads to an `.npy` file, a NetCDF file or the folder of a Zarr store; which of them it is, its contents say.
/// The variable may be left out if there is only one. A pattern (`*`, `?`, `[a-z]`) stands for the files it matches, in
/// the order of their names, as one array.
///
/// ```
/// # let folder = std::env::temp_dir().join("wavemill-doc-open");
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }                        \n";
/// # let mut file = b"\x93NUMPY\x01\x00".to_vec();
/// # file.extend((header.len() as u16).to_le_bytes());
/// # file.extend(header.as_bytes());
/// # (0..6).for_each(|x| file.extend((x as f32).to_le_bytes()));
/// # std::fs::write(folder.join("a.npy"), &file).unwrap();
/// # std::fs::write(folder.join("b.npy"), &file).unwrap();
/// # let pattern = format!("{}/*.npy", folder.display());
/// use wavemill::source::{self, Source};
///
/// // The pattern is a folder and `*.npy`; there are two files of 2 x 3 floats.
/// let both = source::open(&pattern, &source::Options::default())?;
/// assert_eq!(both.description().shape, [4, 3]);
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), wavemill::Error>(())
/// ```
///
/// # Errors
/// [`Error::Read`] if there is nothing of that name, it is not of a known format, or it has several variables and none
/// was named; [`Error::Shape`] if files of a pattern do not fit together.
pub fn open(name: &str, options: &Options) -> Result<Arc<dyn Source>> {
    let (path, variable) = split(name);
    let pattern = path.contains(['*', '?', '[']) && !Path::new(path).exists();
    let paths = if pattern { matching(path)? } else { vec![PathBuf::from(path)] };
    let keep = paths.len() <= KEPT_OPEN;
    let parts: Vec<_> = paths.iter().map(|path| one(path, variable, options, keep)).collect::<Result<_>>()?;
    if let ([only], None) = (&parts[..], &options.along) {
        return Ok(only.clone());
    }
    let about = parts[0].description();
    let along = options.along.as_deref().unwrap_or("0");
    let axis = about.axis(along).ok_or_else(|| {
        let names: Vec<_> = (0..about.shape.len()).map(|axis| about.axis_name(axis)).collect();
        Error::parameter("axis to join along", format!("one of {}", names.join(", ")), along)
    })?;
    Ok(Arc::new(Joined::new(parts, axis)?))
}

/// The files that match a pattern, in the order of their names.
fn matching(pattern: &str) -> Result<Vec<PathBuf>> {
    let wrong = |reason: String| Error::read(pattern, reason);
    let found = glob::glob(pattern).map_err(|error| wrong(error.to_string()))?;
    let paths: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))?;
    if paths.is_empty() {
        return Err(wrong("no file matches; check the pattern, and quote it so that the shell leaves it alone".into()));
    }
    Ok(paths)
}

/// The path and the variable of `path:variable`. A drive's letter or a server's port is not a variable.
fn split(name: &str) -> (&str, &str) {
    let start = name.find("://").map_or(0, |at| at + 3);
    let start = if start > 0 { name[start..].find('/').map_or(name.len(), |at| start + at) } else { 0 };
    match name[start..].rfind(':') {
        Some(at) if start + at > 1 && !Path::new(name).exists() => (&name[..start + at], &name[start + at + 1..]),
        _ => (name, ""),
    }
}

fn one(path: &Path, variable: &str, options: &Options, keep: bool) -> Result<Arc<dyn Source>> {
    let failed = |reason: &dyn std::fmt::Display| Error::read(path.display(), reason);
    if path.is_dir() {
        return store(path, variable, options);
    }
    // To open a pipe is to wait for who writes to it.
    if path.metadata().is_ok_and(|about| !about.is_file()) {
        return Err(failed(&"it is a pipe or a device, which cannot be read in parts; save it to a file first"));
    }
    let mut start = Vec::new();
    let file = File::open(path).map_err(|error| failed(&format_args!("{error}; check the path")))?;
    file.take(8).read_to_end(&mut start).map_err(|error| failed(&error))?;
    if start.starts_with(b"\x93NUMPY") {
        if !variable.is_empty() {
            return Err(failed(&"an .npy file is one array; leave the variable's name out"));
        }
        return Ok(Arc::new(Npy::open(path)?));
    }
    netcdf(path, variable, options, keep, &start)
}

#[cfg(feature = "netcdf")]
fn netcdf(path: &Path, variable: &str, options: &Options, keep: bool, start: &[u8]) -> Result<Arc<dyn Source>> {
    use crate::source::netcdf::{NetCdf, variables};
    if !start.starts_with(b"CDF") && !start.starts_with(b"\x89HDF\r\n\x1a\n") {
        return Err(Error::read(
            path.display(),
            "it is neither an .npy nor a NetCDF file, nor the folder of a Zarr store",
        ));
    }
    let variable = if variable.is_empty() { only(path, &variables(path)?)? } else { variable.to_owned() };
    let source = NetCdf::open(path, &variable, keep)?;
    Ok(if options.raw { Arc::new(source) } else { source.decoded() })
}

#[cfg(not(feature = "netcdf"))]
fn netcdf(path: &Path, _: &str, _: &Options, _: bool, start: &[u8]) -> Result<Arc<dyn Source>> {
    let hint = if start.starts_with(b"CDF") || start.starts_with(b"\x89HDF") {
        "it is a NetCDF file, which needs the feature `netcdf`"
    } else {
        "it is not an .npy file"
    };
    Err(Error::read(path.display(), hint))
}

#[cfg(feature = "zarr")]
fn store(path: &Path, variable: &str, options: &Options) -> Result<Arc<dyn Source>> {
    use crate::source::zarr::Zarr;
    let here = |name: &str| path.join(name).exists();
    let variable = match variable {
        "" if here(".zarray") || array_at(path) => String::new(),
        "" if here("zarr.json") || here(".zgroup") || here(".zmetadata") => only(path, &arrays(path)?)?,
        "" => {
            return Err(Error::read(
                path.display(),
                "the folder is not a Zarr store: it has no zarr.json, .zarray or .zgroup",
            ));
        }
        name => name.to_owned(),
    };
    let source = Zarr::open(path, &variable)?;
    Ok(if options.raw { Arc::new(source) } else { source.decoded() })
}

#[cfg(not(feature = "zarr"))]
fn store(path: &Path, _: &str, _: &Options) -> Result<Arc<dyn Source>> {
    Err(Error::read(path.display(), "it is a folder; Zarr stores need the feature `zarr`"))
}

/// Whether the store's root is an array of version 3.
#[cfg(feature = "zarr")]
fn array_at(path: &Path) -> bool {
    let text = std::fs::read_to_string(path.join("zarr.json")).unwrap_or_default();
    let node = serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default();
    node.get("node_type").and_then(serde_json::Value::as_str) == Some("array")
}

/// The names of the arrays directly in a store that are not coordinates.
#[cfg(feature = "zarr")]
fn arrays(path: &Path) -> Result<Vec<String>> {
    use crate::source::zarr::Zarr;
    let failed = |error: std::io::Error| Error::read(path.display(), error);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, inside) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        if inside.join(".zarray").exists() || array_at(&inside) {
            names.push(name);
        }
    }
    names.sort();
    let coordinate = |name: &String| {
        Zarr::open(path, name).is_ok_and(|array| {
            let axes = &array.description().axes;
            axes.len() == 1 && axes[0].name.as_deref() == Some(name)
        })
    };
    Ok(names.into_iter().filter(|name| !coordinate(name)).collect())
}

/// The only variable there is.
#[cfg(any(feature = "netcdf", feature = "zarr"))]
fn only(path: &Path, names: &[String]) -> Result<String> {
    match names {
        [name] => Ok(name.clone()),
        [] => Err(Error::read(path.display(), "it holds no variable of numbers")),
        several => {
            let reason = format!("it holds several variables; name one: {}:{}", path.display(), several.join(" or :"));
            Err(Error::read(path.display(), reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn names_are_split_at_the_variable() {
        for (name, path, variable) in [
            ("x.npy", "x.npy", ""),
            ("x.nc:sst", "x.nc", "sst"),
            ("C:\\x.nc", "C:\\x.nc", ""),
            ("C:\\x.nc:sst", "C:\\x.nc", "sst"),
            ("data/*.nc:a/b", "data/*.nc", "a/b"),
            ("http://host:80/x.zarr", "http://host:80/x.zarr", ""),
            ("http://host:80/x.zarr:t2m", "http://host:80/x.zarr", "t2m"),
        ] {
            assert_eq!(split(name), (path, variable), "{name}");
        }
    }
}
