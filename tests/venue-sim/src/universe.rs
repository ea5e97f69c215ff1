//! A file of real markets, as Gamma told them: one JSON object a line, plain or gzipped.
//!
//! Knows: the members of a row that matter here; everything else of a row stays as it was. Never: a book.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::Number;

use crate::scenario::MARKETS_MAX;
use crate::units::{Price, Size};

/// Largest text, unpacked: all of it is held in memory. 36,000 rows have some 40 MB.
const TEXT_MAX: u64 = 256 * 1024 * 1024;
/// Rows without a tick size of their own have the venue's most frequent one, in ten-thousandths.
const TICK: u16 = 100;

/// A file of markets that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UniverseError {
    /// The file cannot be read or unpacked.
    #[error("could not read the markets in `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is larger than 256 MiB.
    #[error("`{}` has more than {TEXT_MAX} bytes; all of it is held in memory", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A line is no market.
    #[error("line {line} of `{}` is no market", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// No market at all, or more than the simulator takes.
    #[error("`{}` has {markets} markets; it must have 1 to {MARKETS_MAX}", path.display())]
    Count {
        /// The file.
        path: PathBuf,
        /// How many.
        markets: usize,
    },
}

/// One market of the file.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Gamma's own number.
    pub(crate) id: String,
    pub(crate) condition_id: String,
    pub(crate) question: String,
    pub(crate) slug: String,
    /// Token id and outcome; two, or none if the row has any other number of them.
    pub(crate) tokens: Vec<(String, String)>,
    /// Smallest price step in ten-thousandths.
    pub(crate) tick: u16,
    pub(crate) min_size: Size,
    pub(crate) neg_risk: bool,
    /// Volume of 24 h in hundredths of a dollar.
    pub(crate) volume_cents: Option<u64>,
    /// Volume of all time in hundredths of a dollar.
    pub(crate) total_cents: Option<u64>,
    /// Liquidity in hundredths of a dollar.
    pub(crate) liquidity_cents: Option<u64>,
    /// As it stands there.
    pub(crate) end_date: Option<String>,
    pub(crate) closed: bool,
    /// The row as it stands in the file.
    pub(crate) text: String,
    volume: Option<Number>,
}

/// The members of a row that are read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    id: String,
    condition_id: String,
    #[serde(default)]
    question: String,
    #[serde(default)]
    slug: String,
    clob_token_ids: Option<String>,
    position_ids: Option<Vec<String>>,
    version: Option<String>,
    #[serde(default)]
    outcomes: String,
    order_price_min_tick_size: Option<Number>,
    order_min_size: Option<Number>,
    #[serde(default)]
    neg_risk: bool,
    #[serde(default)]
    closed: bool,
    volume24hr: Option<Number>,
    volume_num: Option<Number>,
    liquidity_num: Option<Number>,
    end_date: Option<String>,
}

/// Reads the rows of a `.jsonl` or `.jsonl.gz` file, largest volume of 24 h first, those without one last.
pub(crate) fn read(path: &Path) -> Result<Vec<Row>, UniverseError> {
    let failed = |source| UniverseError::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let mut text = String::new();
    let source: Box<dyn Read> = if packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let bytes = source.take(TEXT_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if bytes as u64 > TEXT_MAX {
        return Err(UniverseError::TooLarge { path: path.to_owned() });
    }
    let mut rows = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |source| UniverseError::Line { path: path.to_owned(), line: at + 1, source };
        rows.push(row(line.trim()).map_err(wrong)?);
    }
    if !(1..=MARKETS_MAX).contains(&rows.len()) {
        return Err(UniverseError::Count { path: path.to_owned(), markets: rows.len() });
    }
    let volume = |row: &Row| row.volume.as_ref().and_then(Number::as_f64);
    rows.sort_by(|one, other| match (volume(one), volume(other)) {
        (Some(one), Some(other)) => other.total_cmp(&one),
        (one, other) => other.is_some().cmp(&one.is_some()),
    });
    Ok(rows)
}

fn row(text: &str) -> Result<Row, serde_json::Error> {
    let members: Members = serde_json::from_str(text)?;
    let list = |text: &str| serde_json::from_str::<Vec<String>>(text).unwrap_or_default();
    // Rows of either version may have both; only the version says which of them the CLOB knows.
    let tokens = match members.version.as_deref() {
        Some("v2") => members.position_ids.unwrap_or_default(),
        _ => list(members.clob_token_ids.as_deref().unwrap_or_default()),
    };
    let mut outcomes = list(&members.outcomes);
    outcomes.resize_with(tokens.len(), String::new);
    let tick = members.order_price_min_tick_size.and_then(|tick| Price::parse(&tick.to_string()));
    let size = members.order_min_size.and_then(|size| Size::parse(&size.to_string()));
    Ok(Row {
        id: members.id,
        condition_id: members.condition_id,
        question: if members.question.is_empty() { members.slug.clone() } else { members.question },
        slug: members.slug,
        tokens: if tokens.len() == 2 { tokens.into_iter().zip(outcomes).collect() } else { Vec::new() },
        tick: tick.map(Price::units).filter(|tick| *tick > 0).unwrap_or(TICK),
        min_size: size.unwrap_or(Size::of_hundredths(500)),
        neg_risk: members.neg_risk,
        volume_cents: members.volume24hr.as_ref().map(|volume| cents(&volume.to_string())),
        total_cents: members.volume_num.map(|volume| cents(&volume.to_string())),
        liquidity_cents: members.liquidity_num.map(|liquidity| cents(&liquidity.to_string())),
        end_date: members.end_date,
        closed: members.closed,
        text: text.to_owned(),
        volume: members.volume24hr,
    })
}

/// Hundredths of a decimal text, cut; what is written with an exponent is next to nothing.
pub(crate) fn cents(text: &str) -> u64 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("00".chars()).take(2).collect();
    match (whole.parse::<u64>(), digits.parse::<u64>()) {
        (Ok(whole), Ok(digits)) if !text.contains('e') => whole.saturating_mul(100).saturating_add(digits),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    // Members as in protocol reference 2.5.
    const ROWS: &str = "{\"id\":\"1\",\"conditionId\":\"0xa\",\"slug\":\"quiet\",\"clobTokenIds\":\"[\\\"11\\\", \\\"12\\\"]\"}\n\n\
        {\"id\":\"2\",\"conditionId\":\"0xb\",\"slug\":\"busy\",\"clobTokenIds\":\"[\\\"21\\\", \\\"22\\\"]\",\"volume24hr\":90.5,\
        \"outcomes\":\"[\\\"Up\\\", \\\"Down\\\"]\",\"orderPriceMinTickSize\":0.005,\"orderMinSize\":15,\"negRisk\":true}\n\
        {\"id\":\"3\",\"conditionId\":\"0xc\",\"clobTokenIds\":\"[\\\"31\\\"]\",\"volume24hr\":12}\n";

    fn read_text(text: &str) -> Result<Vec<Row>, UniverseError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn rows_come_by_volume_and_those_without_one_last() {
        let rows = read_text(ROWS).unwrap();
        let seen: Vec<_> = rows.iter().map(|row| (row.id.as_str(), row.volume_cents)).collect();
        assert_eq!(seen, [("2", Some(9_050)), ("3", Some(1_200)), ("1", None)]);
        let busy = &rows[0];
        assert_eq!((busy.tick, busy.min_size, busy.neg_risk), (50, Size::of_hundredths(1_500), true));
        assert_eq!(busy.tokens, [("21".into(), "Up".into()), ("22".into(), "Down".into())]);
        assert!(rows[1].tokens.is_empty(), "one token makes no market that can be traded");
        assert!(ROWS.contains(&busy.text));
    }

    #[test]
    fn rows_of_protocol_v2_are_traded_by_their_positions_whatever_else_they_hold() {
        let row = |version: &str| {
            format!(
                "{{\"id\":\"1\",\"conditionId\":\"0xa\",\"version\":\"{version}\",\"clobTokenIds\":\"[\\\"11\\\", \\\"12\\\"]\",\
                 \"positionIds\":[\"71\",\"72\"]}}"
            )
        };
        for (version, first) in [("v1", "11"), ("v2", "71")] {
            assert_eq!(read_text(&row(version)).unwrap()[0].tokens[0].0, first, "{version}");
        }
        let bare = "{\"id\":\"1\",\"conditionId\":\"0xa\",\"clobTokenIds\":null}";
        assert!(read_text(bare).unwrap()[0].tokens.is_empty());
    }

    #[test]
    fn a_packed_file_is_the_same_as_a_plain_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl.gz");
        let file = std::fs::File::create(&path).unwrap();
        let mut packer = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        packer.write_all(ROWS.as_bytes()).unwrap();
        packer.finish().unwrap();
        let ids = |rows: Vec<Row>| rows.into_iter().map(|row| row.text).collect::<Vec<_>>();
        assert_eq!(ids(read(&path).unwrap()), ids(read_text(ROWS).unwrap()));
    }

    #[test]
    fn a_file_that_is_not_there_has_no_rows_or_holds_something_else_is_refused() {
        assert!(matches!(read(Path::new("/nowhere.jsonl")), Err(UniverseError::Read { .. })));
        assert!(matches!(read_text("\n"), Err(UniverseError::Count { markets: 0, .. })));
        assert!(matches!(
            read_text("{\"id\":\"1\",\"conditionId\":\"0xa\"}\n[]\n"),
            Err(UniverseError::Line { line: 2, .. })
        ));
    }

    #[test]
    fn cents_are_cut_and_never_go_through_a_float() {
        for (text, wanted) in [("0", 0), ("610.199", 61_019), ("7.5", 750), ("12", 1_200), ("9e-6", 0)] {
            assert_eq!(cents(text), wanted, "{text}");
        }
    }
}
