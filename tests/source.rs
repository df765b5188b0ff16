//! Tests of sources: every file and store of `tests/data/sources` gives what the C library, zarr-python and xarray read
//! from it, whole and block by block; lists of files, memory orders, and what is wrong with files.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use ndarray::{Array1, Array2, Array3, s};
use wavemill::source::{self, ElementType, Joined, Memory, Npy, NpyWriter, Options, Region, Source};

use crate::common::Random;

/// A temporary folder for one test, which is removed afterwards.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wavemill-source-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An `.npy` file of version 1.
pub(crate) fn npy(descr: &str, fortran: bool, shape: &[usize], elements: &[u8]) -> Vec<u8> {
    let extents: Vec<_> = shape.iter().map(|n| format!("{n},")).collect();
    let order = if fortran { "True" } else { "False" };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({}), }}", extents.concat());
    text.push_str(&" ".repeat(63 - (10 + text.len()) % 64));
    text.push('\n');
    [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), elements].concat()
}

fn open(name: &str) -> Arc<dyn Source> {
    source::open(name, &Options::default()).unwrap()
}

pub(crate) fn read(source: &dyn Source, block: &Region) -> Vec<u8> {
    let mut bytes = vec![0xaa; block.len() * source.description().element.size()];
    source.read(block, &mut bytes).unwrap();
    bytes
}

/// Whether blocks of any place hold the part of the whole that they should.
fn blocks_are_parts(source: &dyn Source, whole: &[u8], random: &mut Random) {
    let (shape, size) = (source.description().shape.clone(), source.description().element.size());
    for _ in 0..12 {
        let axes = shape.iter().map(|&len| {
            let start = random.bits() as usize % (len + 1);
            (start, random.bits() as usize % (len - start + 1))
        });
        let (start, extents) = axes.unzip();
        let block = Region { start, shape: extents };
        let found = read(source, &block);
        for number in 0..block.len() {
            let (mut left, mut at) = (number, vec![0; shape.len()]);
            for axis in (0..shape.len()).rev() {
                at[axis] = block.start[axis] + left % block.shape[axis];
                left /= block.shape[axis];
            }
            let place = at.iter().zip(&shape).fold(0, |place, (at, len)| place * len + at);
            let part = |bytes: &[u8], at: usize| bytes[at * size..(at + 1) * size].to_vec();
            assert_eq!(part(&found, number), part(whole, place), "{block:?} at {at:?}");
        }
    }
    let outside = Region { start: vec![1; shape.len()], shape: shape.clone() };
    if !shape.is_empty() {
        let mut bytes = vec![0; outside.len() * size];
        assert!(source.read(&outside, &mut bytes).unwrap_err().to_string().contains("inside"));
    }
}

/// The bytes with every NaN replaced by one, as the bits of a NaN mean nothing.
#[cfg(all(feature = "netcdf", feature = "zarr"))]
fn without_nan_bits(kind: &str, bytes: &[u8]) -> Vec<u8> {
    match kind {
        "float32" => bytes
            .chunks(4)
            .map(|x| f32::from_ne_bytes(x.try_into().unwrap()))
            .flat_map(|x| if x.is_nan() { f32::NAN } else { x }.to_ne_bytes())
            .collect(),
        "float64" => bytes
            .chunks(8)
            .map(|x| f64::from_ne_bytes(x.try_into().unwrap()))
            .flat_map(|x| if x.is_nan() { f64::NAN } else { x }.to_ne_bytes())
            .collect(),
        _ => bytes.to_vec(),
    }
}

#[cfg(all(feature = "netcdf", feature = "zarr", target_endian = "little"))]
#[test]
fn files_are_read_as_other_libraries_read_them() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sources");
    let mut random = Random::new(5);
    let mut count = 0;
    for line in include_str!("data/sources.txt").lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [file, variable, how, kind, extents, hex] = words[..] else { panic!("{line}") };
        let shape: Vec<usize> = extents.split('x').filter_map(|extent| extent.parse().ok()).collect();
        let mut wanted: Vec<u8> = hex
            .as_bytes()
            .chunks(2)
            .map(|x| u8::from_str_radix(std::str::from_utf8(x).unwrap(), 16).unwrap())
            .collect();
        let name = format!("{}:{variable}", folder.join(file).display());
        let source = source::open(&name, &Options::default().raw(how == "raw")).unwrap();
        let about = source.description();
        assert_eq!(about.shape, shape, "{name}");
        let kind = if kind == "float16" {
            wanted =
                wanted.chunks(2).flat_map(|x| source::widen(u16::from_le_bytes([x[0], x[1]])).to_ne_bytes()).collect();
            "float32"
        } else {
            kind
        };
        assert_eq!(about.element.to_string(), kind, "{name} {how}");
        let found = read(&*source, &Region::whole(&shape));
        assert_eq!(without_nan_bits(kind, &found), without_nan_bits(kind, &wanted), "{name} {how}");
        blocks_are_parts(&*source, &found, &mut random);
        count += 1;
    }
    assert!(count > 100, "{count} arrays");
}

#[cfg(feature = "netcdf")]
#[test]
fn coordinates_and_units_come_with_the_data() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sources");
    let a = open(&format!("{}:a", folder.join("netcdf3_classic.nc").display()));
    assert_eq!(a.description().axis_name(0), "time");
    assert_eq!(a.description().axis("x"), Some(2));
    assert_eq!(a.description().axis("-1"), Some(2));
    let time = a.coordinates(0).unwrap().unwrap();
    assert_eq!((time.values, time.units.as_deref()), (vec![0.0, 6.0, 12.0, 18.0], Some("hours since 2000-01-01")));
    assert_eq!(a.coordinates(1).unwrap(), None);
    let error =
        source::open(&folder.join("netcdf3_classic.nc").display().to_string(), &Options::default()).unwrap_err();
    assert!(error.to_string().contains(":a or :b or :c or :s"), "{error}");
    let error = source::open(&format!("{}:missing", folder.join("netcdf3_classic.nc").display()), &Options::default())
        .unwrap_err();
    assert!(error.to_string().contains("it has a, b, c, s, time"), "{error}");
    let error = source::open(&format!("{}:words", folder.join("types.nc").display()), &Options::default()).unwrap_err();
    assert!(error.to_string().contains("String"), "{error}");
}

#[cfg(feature = "zarr")]
#[test]
fn stores_say_what_they_hold() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sources");
    for version in [2, 3] {
        let t = open(&format!("{}:t", folder.join(format!("xarray{version}.zarr")).display()));
        let about = t.description();
        assert_eq!(
            about.axes.iter().map(|axis| axis.name.as_deref()).collect::<Vec<_>>(),
            [Some("time"), Some("y"), Some("x")]
        );
        assert_eq!(about.units.as_deref(), Some("K"));
        assert_eq!(t.coordinates(1).unwrap().unwrap().values, [10.0, 0.0, -10.0]);
    }
    let error = source::open(&folder.join("v3.zarr").display().to_string(), &Options::default()).unwrap_err();
    assert!(error.to_string().contains("several variables"), "{error}");
    let error = source::open(&folder.display().to_string(), &Options::default()).unwrap_err();
    assert!(error.to_string().contains("not a Zarr store"), "{error}");
}

#[test]
fn npy_of_any_order_is_read_in_blocks() {
    let folder = Folder::new("npy");
    let mut random = Random::new(7);
    let numbers: Vec<i32> = (0..60).map(|_| random.bits() as i32).collect();
    let shape = [3, 4, 5];
    let wanted: Vec<u8> = numbers.iter().flat_map(|x| x.to_ne_bytes()).collect();
    for (descr, big) in [("<i4", false), (">i4", true)] {
        for fortran in [false, true] {
            let array = Array3::from_shape_vec(shape, numbers.clone()).unwrap();
            let stored: Vec<i32> = if fortran { array.t().iter().copied().collect() } else { numbers.clone() };
            let bytes: Vec<u8> =
                stored.iter().flat_map(|x| if big { x.to_be_bytes() } else { x.to_le_bytes() }).collect();
            let path = folder.path("x.npy");
            fs::write(&path, npy(descr, fortran, &shape, &bytes)).unwrap();
            let source = open(&path);
            assert_eq!(read(&*source, &Region::whole(&shape)), wanted, "{descr} {fortran}");
            blocks_are_parts(&*source, &wanted, &mut random);
        }
    }
    // Halves are delivered as floats.
    fs::write(folder.path("h.npy"), npy("<f2", false, &[3], &[0x00, 0x3c, 0x00, 0xc0, 0x00, 0x7c])).unwrap();
    let halves = open(&folder.path("h.npy"));
    let found = read(&*halves, &Region::whole(&[3]));
    assert_eq!(found, [1.0f32, -2.0, f32::INFINITY].iter().flat_map(|x| x.to_ne_bytes()).collect::<Vec<_>>());
    fs::write(folder.path("b.npy"), npy("|b1", false, &[2], &[1, 2])).unwrap();
    let error = open(&folder.path("b.npy")).read(&Region::whole(&[2]), &mut [0; 2]).unwrap_err();
    assert!(error.to_string().contains("0 or 1, it holds 2"), "{error}");
}

#[test]
fn files_follow_one_another_along_any_axis() {
    let folder = Folder::new("joined");
    let whole = Array2::from_shape_fn((6, 10), |(i, j)| (10 * i + j) as f32);
    let write = |name: &str, part: ndarray::ArrayView2<'_, f32>| {
        let bytes: Vec<u8> = part.iter().flat_map(|x| x.to_le_bytes()).collect();
        fs::write(folder.path(name), npy("<f4", false, part.shape(), &bytes)).unwrap();
    };
    write("r0.npy", whole.slice(s![..2, ..]));
    write("r1.npy", whole.slice(s![2..3, ..]));
    write("r2.npy", whole.slice(s![3.., ..]));
    write("c0.npy", whole.slice(s![.., ..7]));
    write("c1.npy", whole.slice(s![.., 7..]));
    let wanted: Vec<u8> = whole.iter().flat_map(|x| x.to_ne_bytes()).collect();
    let mut random = Random::new(9);
    for (pattern, axis) in [("r*.npy", "0"), ("c?.npy", "1"), ("c[01].npy", "-1")] {
        let source = source::open(&folder.path(pattern), &Options::default().along(axis)).unwrap();
        assert_eq!(source.description().shape, [6, 10]);
        assert_eq!(read(&*source, &Region::whole(&[6, 10])), wanted, "{pattern}");
        blocks_are_parts(&*source, &wanted, &mut random);
    }
    let says = |pattern: &str, axis: &str, part: &str| {
        let error = source::open(&folder.path(pattern), &Options::default().along(axis)).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    says("?0.npy", "0", "a file of the list");
    says("r*.npy", "1", "apart from axis 1");
    says("r*.npy", "height", "one of 0, 1");
    says("nothing*.npy", "0", "no file matches");
    // A file that was replaced by one of another shape after it was opened is found out when it is read.
    let list = source::open(&folder.path("r*.npy"), &Options::default()).unwrap();
    fs::write(folder.path("r1.npy"), [0; 20]).unwrap();
    let error = list.read(&Region::whole(&[6, 10]), &mut [0; 240]).unwrap_err().to_string();
    assert!(error.contains("r1.npy") && error.contains("cut off"), "{error}");
}

#[test]
fn parts_of_other_types_are_refused() {
    let a: Arc<dyn Source> = Arc::new(Memory::new("a", &Array1::<f32>::zeros(3)));
    let b: Arc<dyn Source> = Arc::new(Memory::new("b", &Array1::<f64>::zeros(3)));
    assert!(Joined::new(vec![a.clone(), b], 0).unwrap_err().to_string().contains("3 of float64 over  in b"));
    assert!(Joined::new(vec![], 0).is_err());
    assert!(Joined::new(vec![a.clone()], 1).is_err());
    assert_eq!(Joined::new(vec![a.clone(), a], 0).unwrap().description().shape, [6]);
}

#[test]
fn files_that_are_cut_off_or_missing_are_named() {
    let folder = Folder::new("cut");
    let path = folder.path("x.npy");
    fs::write(&path, npy("<f8", false, &[100], &[0; 800])).unwrap();
    let source = Npy::open(&path).unwrap();
    fs::write(&path, npy("<f8", false, &[100], &[0; 400])).unwrap();
    let error = source.read(&Region::whole(&[100]), &mut [0; 800]).unwrap_err().to_string();
    assert!(error.contains("x.npy, 800 bytes at byte") && error.contains("cut off"), "{error}");
    let error = source::open(&path, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("it has 400 bytes of elements"), "{error}");
    for (name, part) in [("nothing.npy", "No such file"), ("x.npy:v", "No such file"), ("x.txt", "x.txt")] {
        fs::write(folder.path("x.txt"), "1,2,3").unwrap();
        let error = source::open(&folder.path(name), &Options::default()).unwrap_err().to_string();
        assert!(error.contains(part) || error.contains("one array"), "{name}: {error}");
    }
}

#[cfg(feature = "zarr")]
#[test]
fn metadata_that_a_codec_gives_up_on_are_refused() {
    let folder = Folder::new("codec");
    let metadata = r#"{"shape": [2], "chunks": [2], "dtype": "<f4", "fill_value": 0.0, "order": "C", "filters": null,
        "compressor": {"id": "bz2", "level": 0}, "zarr_format": 2}"#;
    fs::create_dir(folder.path("x.zarr")).unwrap();
    fs::write(folder.path("x.zarr/.zarray"), metadata).unwrap();
    let error = source::open(&folder.path("x.zarr"), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("x.zarr") && error.contains("gave up") && error.contains("compression level"), "{error}");
}

#[cfg(feature = "zarr")]
#[test]
fn what_is_written_is_read_and_half_a_store_is_not_there() {
    use serde_json::Map;
    use wavemill::source::ZarrWriter;
    let folder = Folder::new("zarr");
    let path = folder.path("out.zarr");
    let a = format!("{path}:a");
    let whole = Array2::from_shape_fn((5, 7), |(i, j)| (7 * i + j) as f64 + 0.5);
    let bytes: Vec<u8> = whole.iter().flat_map(|x| x.to_ne_bytes()).collect();
    let axes = [Some("y".to_owned()), Some("x".to_owned())];
    let fill = |writer: &ZarrWriter| {
        let array = writer.array("a", (&[5, 7], &[2, 4]), ElementType::Float64, &axes, Map::new()).unwrap();
        array.write(&Region::whole(&[5, 7]), &bytes).unwrap();
        let unnamed = writer.array("b", (&[2, 3], &[2, 3]), ElementType::Float64, &[None, None], Map::new()).unwrap();
        unnamed.write(&Region::whole(&[2, 3]), &bytes[..48]).unwrap();
        array
    };
    {
        let writer = ZarrWriter::create(&path).unwrap();
        fill(&writer);
        // It is dropped without being finished.
    }
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
    for round in 0..2 {
        let writer = ZarrWriter::create(&path).unwrap();
        let array = fill(&writer);
        let half = Region { start: vec![1, 0], shape: vec![2, 4] };
        assert!(array.write(&half, &[0; 64]).unwrap_err().to_string().contains("whole chunks"));
        assert_eq!(std::path::Path::new(&path).exists(), round > 0, "the store is at its place before it is complete");
        writer.finish().unwrap();
        let source = open(&a);
        assert_eq!((&source.description().shape[..], source.description().axis("x")), (&[5, 7][..], Some(1)));
        assert_eq!(open(&format!("{path}:b")).description().axis("dim_1"), Some(1));
        assert_eq!(read(&*source, &Region::whole(&[5, 7])), bytes);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    }
    // A missing chunk is the fill value, a damaged one an error that names the place.
    fs::remove_file(folder.path("out.zarr/a/c/1/1")).unwrap();
    let found = read(&*open(&a), &Region { start: vec![3, 5], shape: vec![1, 1] });
    assert_eq!(found, 0f64.to_ne_bytes());
    fs::write(folder.path("out.zarr/a/c/0/0"), "not zstd").unwrap();
    let error = open(&a).read(&Region::whole(&[5, 7]), &mut [0; 280]).unwrap_err().to_string();
    assert!(error.contains("out.zarr:a, the block 5 x 7"), "{error}");
    fs::create_dir_all(folder.path("mine")).unwrap();
    fs::write(folder.path("mine/work.txt"), "years of it").unwrap();
    let error = ZarrWriter::create(folder.path("mine")).unwrap_err().to_string();
    assert!(error.contains("is not a Zarr store"), "{error}");
    assert!(std::path::Path::new(&folder.path("mine/work.txt")).exists());
}

#[test]
fn npy_files_are_written_in_blocks_and_whole_or_not_at_all() {
    let folder = Folder::new("writer");
    let path = folder.path("c.npy");
    let whole = Array3::from_shape_fn((3, 4, 5), |(i, j, k)| (20 * i + 5 * j + k) as f32);
    let write = |writer: &NpyWriter| {
        for (i, k, len) in [(0, 0, 5), (1, 0, 2), (1, 2, 3), (2, 0, 5)] {
            let part = whole.slice(s![i..=i, .., k..k + len]);
            let bytes: Vec<u8> = part.iter().flat_map(|x| x.to_ne_bytes()).collect();
            writer.write(&Region { start: vec![i, 0, k], shape: vec![1, 4, len] }, &bytes).unwrap();
        }
    };
    fs::write(&path, "what was there before").unwrap();
    write(&NpyWriter::create(&path, &[3, 4, 5], ElementType::Float32).unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), "what was there before");
    let writer = NpyWriter::create(&path, &[3, 4, 5], ElementType::Float32).unwrap();
    write(&writer);
    assert!(writer.write(&Region::whole(&[3, 4, 6]), &[0; 288]).unwrap_err().to_string().contains("inside 3 x 4 x 5"));
    writer.finish().unwrap();
    let wanted: Vec<u8> = whole.iter().flat_map(|x| x.to_ne_bytes()).collect();
    assert_eq!(read(&*open(&path), &Region::whole(&[3, 4, 5])), wanted);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    let error = NpyWriter::create(folder.path("no/folder.npy"), &[1], ElementType::Int8).unwrap_err().to_string();
    assert!(error.contains("cannot write") && error.contains("folder.npy"), "{error}");
}

#[cfg(feature = "zarr")]
#[test]
fn hostile_stores_are_refused() {
    let folder = Folder::new("hostile");
    let store = |text: &str| {
        let path = folder.path("h.zarr");
        fs::create_dir_all(&path).unwrap();
        fs::write(folder.path("h.zarr/zarr.json"), text).unwrap();
        source::open(&path, &Options::default()).map(|source| {
            let shape = vec![1; source.description().shape.len()];
            let mut bytes = vec![0; source.description().element.size()];
            source.read(&Region { start: vec![0; shape.len()], shape }, &mut bytes).unwrap_err()
        })
    };
    let array = |shape: &str, chunk: &str, codecs: &str| {
        format!(
            r#"{{"zarr_format":3,"node_type":"array","shape":{shape},"data_type":"float64","chunk_grid":{{"name":
            "regular","configuration":{{"chunk_shape":{chunk}}}}},"chunk_key_encoding":{{"name":"default"}},
            "fill_value":0.0,"codecs":{codecs},"attributes":{{}}}}"#
        )
    };
    let plain = r#"[{"name":"bytes","configuration":{"endian":"little"}}]"#;
    for text in [
        array("[1000000000000000000]", "[1000000000000000000]", plain),
        array("[4294967296,4294967296]", "[1,1]", plain),
        array("[10]", "[0]", plain),
        array("[10]", "[-1]", plain),
        array("[10]", "[99999999999]", plain),
        array("[10,10]", "[5]", plain),
        array("[10]", "[5]", r#"[{"name":"invented"}]"#),
        array("[10]", "[5]", "[]"),
        "{".into(),
        "[]".into(),
        r#"{"zarr_format":3,"node_type":"array"}"#.into(),
    ] {
        assert!(store(&text).is_err(), "{text}");
    }
    // A chunk that claims to be larger than it is, and a name that leads out of the store.
    let path = folder.path("h.zarr");
    fs::write(folder.path("h.zarr/zarr.json"), array("[10]", "[5]", plain)).unwrap();
    fs::create_dir_all(folder.path("h.zarr/c")).unwrap();
    fs::write(folder.path("h.zarr/c/0"), [0; 39]).unwrap();
    let error = open(&path).read(&Region::whole(&[10]), &mut [0; 80]).unwrap_err().to_string();
    assert!(error.contains("h.zarr, the block 10"), "{error}");
    assert!(source::open(&format!("{path}:../../etc"), &Options::default()).is_err());
}
