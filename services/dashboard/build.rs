//! Puts the built page into the program: `web/dist`, each file also compressed; without it, a plain page.
//!
//! Knows: where Vite writes, which files a browser may keep. Never: what the page shows.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Shown where the page was not built.
const PLAIN: &str = "src/page/plain.html";
/// Where the page is built.
const DIST: &str = "web/dist";

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    #[expect(clippy::disallowed_methods, reason = "this is how cargo tells it to a build script")]
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let dist = root.join(DIST);
    let is_built = dist.join("index.html").is_file();
    // A path that is missing would make each build anew; the folder above it shows when it comes.
    println!("cargo::rerun-if-changed={}", if is_built { DIST } else { "web" });
    println!("cargo::rerun-if-changed={PLAIN}");
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    if is_built {
        collect(&dist, &mut files)?;
        files.sort();
    }
    let mut table = String::from("&[\n");
    if !is_built {
        table.push_str(&entry(&out, 0, &root.join(PLAIN), "/")?);
    }
    for (number, file) in files.iter().enumerate() {
        let below = file.strip_prefix(&dist)?.to_str().ok_or("a file name of the page is not UTF-8")?;
        let path = if below == "index.html" { "/".to_owned() } else { format!("/{below}") };
        table.push_str(&entry(&out, number, file, &path)?);
    }
    table.push_str("]\n");
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|kind| kind != "map") {
            files.push(path);
        }
    }
    Ok(())
}

/// One line of the table, with the file as it is and compressed, where that is shorter.
fn entry(out: &Path, number: usize, file: &Path, path: &str) -> Result<String, Box<dyn Error>> {
    let bytes = fs::read(file)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    let packed = encoder.finish()?;
    let (whole, short) = (out.join(format!("asset-{number}")), out.join(format!("asset-{number}.gz")));
    fs::write(&whole, &bytes)?;
    let mut line = String::new();
    let literal = |path: &Path| format!("{:?}", path.to_string_lossy());
    write!(line, "    Asset {{ path: {path:?}, bytes: include_bytes!({}), gzip: ", literal(&whole))?;
    if packed.len() < bytes.len() {
        fs::write(&short, packed)?;
        write!(line, "Some(include_bytes!({}))", literal(&short))?;
    } else {
        line.push_str("None");
    }
    line.push_str(" },\n");
    Ok(line)
}
