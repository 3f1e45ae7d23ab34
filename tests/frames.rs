//! The frame inspector of the examples: its report of every golden frame, and its input lines.

#[allow(dead_code, reason = "shared with other tests, which use other parts of it")]
#[path = "golden/differences.rs"]
mod differences;
#[path = "../examples/frames/inspect.rs"]
mod inspect;
#[path = "../examples/frames/lines.rs"]
mod lines;
#[path = "../examples/frames/text.rs"]
mod text;
#[allow(dead_code, reason = "shared with other tests, which use other parts of it")]
#[path = "golden/vectors.rs"]
mod vectors;

use std::io::{self, BufReader, Write};

use excc_peer::Network;
use excc_peer::wire::{EncodedMessage, Message, Reject, RejectCode};
use serde_json::{Value, json};

use inspect::Defaults;
use lines::Form;
use vectors::{Expected, Line};

/// The number of headers or transactions of a list whose hashes the vectors have.
const HASHED: usize = 8;

/// The defaults without any option.
const DEFAULTS: Defaults = Defaults { network: Network::EXCC_MAINNET, version: None };

const PING: &str = "e1d7179970696e67000000000000000008000000380b98080807060504030201";
const VERACK: &str = "e1d7179976657261636b00000000000000000000e3b0c442";

/// Fails the line with a formatted reason unless the condition is true.
macro_rules! ensure {
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            return Err(format!($($reason)+));
        }
    };
}

#[test]
fn frames_of_exchangecoin_are_reported_as_the_node_reads_them() {
    check_file("exccd.jsonl", 1055, 1769);
}

#[test]
fn frames_of_decred_are_reported_as_the_node_reads_them() {
    check_file("dcrd.jsonl", 1437, 2981);
}

/// Checks every frame of a file, and reports all failures together.
fn check_file(file: &str, accepted: usize, refused: usize) {
    let mut seen = (0, 0);
    let mut failures = Vec::new();
    for line in vectors::load(file).iter().filter(|line| line.kind().is_empty()) {
        match line.expected() {
            Expected::Accepted => seen.0 += 1,
            Expected::Refused(_) => seen.1 += 1,
        }
        if let Err(reason) = outcome(line) {
            failures.push(format!("{}: {reason:.400}", line.id()));
        }
    }
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(seen, (accepted, refused), "lines were skipped");
}

fn outcome(line: &Line) -> Result<(), String> {
    let bytes = line.bytes();
    let text = format!("{} {} {}", line.network(), line.version(), hex::encode(&bytes));
    // The line has its own network and version, so that these are not used.
    let defaults = Defaults { network: Network::DCR_REGNET, version: Some(0) };
    let reports: Vec<Value> = inspect::line(7, text.as_bytes(), defaults)
        .map(|report| serde_json::to_value(report).expect("a report is JSON"))
        .collect();
    let (report, rest) = reports.split_first().ok_or("no report")?;
    let expected = match line.expected() {
        Expected::Accepted => {
            let frames = bytes.len() / report["consumed"].as_u64().map_or(1, |len| len as usize);
            ensure!(reports.len() == frames, "after the frame come {rest:?}");
            accepted(line, frames, report)?
        }
        Expected::Refused(error) => {
            ensure!(rest.is_empty(), "after the error come {rest:?}");
            let error = if differences::ends_between_frames(&bytes) {
                // An empty line is invalid.
                "BadHex"
            } else {
                differences::refused_at_header(line, &bytes, error).unwrap_or(error)
            };
            let detail = report["detail"].as_str().filter(|detail| !detail.is_empty());
            json!({ "line": 7, "ok": false, "error": error, "detail": detail })
        }
    };
    ensure!(*report == expected, "{report}, expected {expected}");
    Ok(())
}

/// The expected report of the first of several equal frames.
fn accepted(line: &Line, frames: usize, report: &Value) -> Result<Value, String> {
    // The nodes compared one encoded frame with all the bytes.
    let canonical = if frames > 1 { Some(true) } else { line.flag("canonical") };
    let mut expected = json!({
        "line": 7,
        "ok": true,
        "command": line.get("command"),
        // The vectors leave out the fields of a large frame.
        "fields": line.get("fields").unwrap_or(&report["fields"]),
        "canonical": canonical,
        "consumed": line.number("consumed"),
    });
    match report["command"].as_str() {
        Some("tx") => {
            for key in ["tx_hash", "tx_hash_witness", "tx_hash_full"] {
                expected[key] = line.get(key).cloned().ok_or(key)?;
            }
        }
        Some("block") => {
            expected["block_hash"] = line.get("block_hash").cloned().ok_or("no block hash")?;
            expected["tx_hashes"] = hashes(line, "tx_hashes", report, "tx_hashes", "transactions")?;
            expected["stx_hashes"] =
                hashes(line, "stx_hashes", report, "stx_hashes", "stransactions")?;
        }
        Some("headers") => {
            expected["block_hashes"] =
                hashes(line, "tx_hashes", report, "block_hashes", "headers")?;
        }
        _ => {}
    }
    Ok(expected)
}

/// The list of hashes that a report has under `key`. It must begin with the hashes of the line, and
/// have as many entries as `field`. Without `line_key` the line has no hashes.
fn hashes(
    line: &Line,
    line_key: &str,
    report: &Value,
    key: &str,
    field: &str,
) -> Result<Value, String> {
    let reported = report[key].as_array().ok_or("no list of hashes")?;
    let first = line.get(line_key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    ensure!(
        reported[..reported.len().min(HASHED)] == *first,
        "{key} {reported:?}, expected {first:?}"
    );
    let entries = report["fields"][field].as_array().map(Vec::len);
    ensure!(entries == Some(reported.len()), "{key} of {entries:?} entries: {reported:?}");
    Ok(report[key].clone())
}

/// The output for an input.
fn written(input: impl AsRef<[u8]>, defaults: Defaults, form: Form) -> String {
    let mut output = Vec::new();
    lines::run(input.as_ref(), &mut output, defaults, form).expect("memory does not fail");
    String::from_utf8(output).expect("the output is text")
}

/// The line number of each report, and its command or its error.
fn outcomes(input: impl AsRef<[u8]>, defaults: Defaults) -> Vec<(u64, String)> {
    let reported = |report: &str| {
        let report: Value = serde_json::from_str(report).expect("a report is JSON");
        let outcome = if report["ok"] == true { &report["command"] } else { &report["error"] };
        let line = report["line"].as_u64().expect("a report has a line");
        (line, outcome.as_str().expect("a report has a command or an error").to_owned())
    };
    written(input, defaults, Form::Json).lines().map(reported).collect()
}

/// The commands or errors for an input of one line.
fn outcomes_of_line(line: impl AsRef<[u8]>) -> Vec<String> {
    outcomes(line, DEFAULTS).into_iter().map(|(_, outcome)| outcome).collect()
}

fn detail(line: impl AsRef<[u8]>) -> String {
    let report: Value =
        serde_json::from_str(&written(line, DEFAULTS, Form::Json)).expect("one report is JSON");
    report["detail"].as_str().expect("an error has a detail").to_owned()
}

/// The input line for the frame `id` of a file.
fn golden(file: &str, id: &str) -> String {
    let lines = vectors::load(file);
    let line = lines.iter().find(|line| line.id() == id).expect("the file has the line");
    format!("{} {} {}", line.network(), line.version(), hex::encode(line.bytes()))
}

/// The frame of a `reject` of Exchangecoin with this reason.
fn reject(reason: &str) -> String {
    let reject = Reject {
        command: "version".into(),
        code: RejectCode::OBSOLETE,
        reason: reason.into(),
        hash: None,
    };
    let reject = Message::Reject(reject.into());
    let frame = EncodedMessage::new(&Network::EXCC_MAINNET, 8, &reject);
    hex::encode(frame.expect("the reason is allowed").to_bytes())
}

#[test]
fn keys_have_a_fixed_order() {
    assert_eq!(
        written(PING, DEFAULTS, Form::Json),
        concat!(
            r#"{"line":1,"ok":true,"command":"ping","fields":{"nonce":"72623859790382856"},"#,
            r#""canonical":true,"consumed":32}"#,
            "\n"
        )
    );
    assert_eq!(
        written("e1", DEFAULTS, Form::Json),
        concat!(
            r#"{"line":1,"ok":false,"error":"Truncated","#,
            r#""detail":"frame: 24 bytes needed, 1 remaining"}"#,
            "\n"
        )
    );
    let orders: [(&str, &[&str]); 3] = [
        ("tx/typ/pver8", &["tx_hash", "tx_hash_witness", "tx_hash_full"]),
        ("block/typ/pver9", &["block_hash", "tx_hashes", "stx_hashes"]),
        ("headers/typ/pver7", &["block_hashes"]),
    ];
    for (id, hashes) in orders {
        let text = written(golden("exccd.jsonl", id), DEFAULTS, Form::Json);
        let keys = [&["line", "ok", "command", "fields"], hashes, &["canonical", "consumed"]];
        let mut from = 0;
        for key in keys.concat() {
            let key = format!("\"{key}\":");
            let at = text[from..].find(&key);
            from += at.unwrap_or_else(|| panic!("{id}: no {key} in order: {text}"));
        }
    }
}

#[test]
fn the_network_and_the_version_are_optional() {
    for line in [
        PING.to_owned(),
        PING.to_uppercase(),
        format!("excc-mainnet {PING}"),
        format!("9 {PING}"),
        format!("excc-mainnet 9 {PING}"),
        format!("\t excc-mainnet \t  9\t{PING}  "),
    ] {
        assert_eq!(outcomes_of_line(&line), ["ping"], "{line}");
    }
    assert_eq!(outcomes_of_line(format!("dcr-mainnet {PING}")), ["WrongNetwork"]);
}

#[test]
fn a_line_is_read_at_its_own_version_or_the_default() {
    let outcomes_of_line = |line: &str, network, version| {
        outcomes(line, Defaults { network, version }).into_iter().map(|(_, outcome)| outcome).next()
    };
    let (excc, dcr) = (Network::EXCC_MAINNET, Network::DCR_MAINNET);
    let refused = Some("PayloadTooLarge".to_owned());

    // Exchangecoin advertises 8, the last version with a `reject`.
    let frame = reject("old");
    let read = Some("reject".to_owned());
    assert_eq!(outcomes_of_line(&frame, excc, None), read);
    assert_eq!(outcomes_of_line(&frame, excc, Some(9)), refused);
    assert_eq!(outcomes_of_line(&format!("8 {frame}"), excc, Some(9)), read);
    assert_eq!(outcomes_of_line(&format!("9 {frame}"), excc, None), refused);
    assert_eq!(outcomes_of_line(&format!("excc-mainnet {frame}"), dcr, None), read);
    assert_eq!(outcomes_of_line(&format!("excc-mainnet {frame}"), dcr, Some(9)), refused);
    assert_eq!(outcomes_of_line(&format!("excc-mainnet 8 {frame}"), dcr, Some(9)), read);

    // Decred advertises 12. The last version with an `addr` is 11.
    let line = golden("dcrd.jsonl", "addr/typ/pver11");
    let mut words = line.split(' ');
    let (name, frame) = (words.next().unwrap_or_default(), words.next_back().unwrap_or_default());
    let addr = Some("addr".to_owned());
    assert_eq!(outcomes_of_line(&format!("{name} {frame}"), excc, None), refused);
    assert_eq!(outcomes_of_line(&format!("{name} {frame}"), excc, Some(11)), addr);
    assert_eq!(outcomes_of_line(&line, excc, None), addr);
}

#[test]
fn a_line_may_have_several_frames_up_to_the_first_error() {
    let cut = &PING[..40];
    let input = format!("{PING}{VERACK}{PING}\n{VERACK}{cut}\n{VERACK}ff{PING}\n{PING}{PING}");
    let reported = outcomes(input, DEFAULTS);
    let reported: Vec<_> =
        reported.iter().map(|(line, outcome)| (*line, outcome.as_str())).collect();
    let expected = [
        (1, "ping"),
        (1, "verack"),
        (1, "ping"),
        (2, "verack"),
        (2, "Truncated"),
        (3, "verack"),
        (3, "WrongNetwork"),
        (4, "ping"),
        (4, "ping"),
    ];
    assert_eq!(reported, expected);
    assert_eq!(outcomes_of_line(&PING[..48]), ["Truncated"], "cut between header and payload");
    assert_eq!(outcomes_of_line(&PING[..62]), ["Truncated"], "cut inside the payload");
}

#[test]
fn every_frame_of_a_line_is_encoded_separately() {
    let [tx, trailing] = ["tx/mut4", "tx/bad/trailing1"].map(|id| golden("exccd.jsonl", id));
    let bytes = |line: &str| line.rsplit(' ').next().expect("a line has bytes").to_owned();
    let line = format!("{}{}{PING}", bytes(&trailing), bytes(&tx));
    let reports: Vec<Value> = written(line, DEFAULTS, Form::Json)
        .lines()
        .map(|report| serde_json::from_str(report).expect("a report is JSON"))
        .collect();
    let canonical: Vec<_> = reports.iter().map(|report| report["canonical"].as_bool()).collect();
    assert_eq!(canonical, [Some(false), Some(true), Some(true)]);
    let consumed: Vec<_> = reports.iter().map(|report| report["consumed"].as_u64()).collect();
    assert_eq!(consumed, [Some(195), Some(194), Some(32)]);
}

#[test]
fn blank_lines_count_and_line_ends_are_ignored() {
    let of = |input: String| -> Vec<_> {
        outcomes(input, DEFAULTS).into_iter().map(|(line, _)| line).collect()
    };
    assert_eq!(of(format!("\n{PING}\n\n \t \n{PING}\n\n")), [2, 5]);
    assert_eq!(of(format!("\r\n{PING}\r\n\r\nexcc-mainnet 9 {PING}\r\n{PING}")), [2, 4, 5]);
    assert!(of(String::new()).is_empty());
    assert!(of("\n\r\n \n".to_owned()).is_empty());
}

#[test]
fn an_invalid_line_is_one_error() {
    let lines: [(&[u8], &str, &str); 19] = [
        (b"e1d", "BadHex", "3 hexadecimal digits do not make whole bytes"),
        (b"e1g7", "BadHex", "'g' at 2 is not a hexadecimal digit"),
        (b"0xe1", "BadHex", "'x' at 1 is not a hexadecimal digit"),
        (b"\xff\xfe", "BadHex", "'\\xff' at 0 is not a hexadecimal digit"),
        (b"\0\0", "BadHex", "'\\x00' at 0 is not a hexadecimal digit"),
        (b"excc-mainnet", "BadHex", "no bytes after \"excc-mainnet\""),
        (b"excc-mainnet 9", "BadHex", "no bytes after \"9\""),
        (b"dcr-mainnet 12", "BadHex", "no bytes after \"12\""),
        (b"9", "BadHex", "no bytes after \"9\""),
        (b"e1 d7 17 99", "BadHex", "\"99\" where the line should have ended: "),
        (b"excc-mainnet 9 e1 d7", "BadHex", "\"d7\" where the line should have ended: "),
        (b"mainnet e1d7", "UnknownNetwork", "\"mainnet\": unknown network, expected {excc,dcr}-"),
        (
            b"EXCC-MAINNET 9 e1d7",
            "UnknownNetwork",
            "\"EXCC-MAINNET\": unknown network, expected {excc,dcr}-",
        ),
        (b"m\xffn 9 e1d7", "UnknownNetwork", "\"m\\xffn\": unknown network, expected {excc,dcr}-"),
        (b"excc-mainnet nine e1d7", "BadVersion", "\"nine\": not a number from 0 to 4294967295"),
        (b"excc-mainnet -1 e1d7", "BadVersion", "\"-1\": not a number from 0 to 4294967295"),
        (b"excc-mainnet +9 e1d7", "BadVersion", "\"+9\": not a number from 0 to 4294967295"),
        (b"4294967296 e1d7", "BadVersion", "\"4294967296\": not a number from 0 to 4294967295"),
        (b"excc-mainnet \xff e1d7", "BadVersion", "\"\\xff\": not a number from 0 to 4294967295"),
    ];
    for (line, error, seen) in lines {
        let shown = line.escape_ascii();
        let input = [line, b"\n", PING.as_bytes()].concat();
        let reported = outcomes(input, DEFAULTS);
        assert_eq!(reported, [(1, error.to_owned()), (2, "ping".to_owned())], "{shown}");
        assert!(detail(line).starts_with(seen), "{shown}: {}", detail(line));
    }
    // A word of digits is read as bytes, not as a number.
    for line in ["00", "1234", "00000000", "9 12", "4294967295 00"] {
        assert_eq!(outcomes_of_line(line), ["Truncated"], "{line}");
    }
    let long = format!("{} 9 e1d7", "m".repeat(100_000));
    assert!(detail(long).len() < 200, "a long word is shortened");
}

#[test]
fn the_limits_are_the_maximum_payload_lengths() {
    assert_eq!(outcomes_of_line(reject(&"a".repeat(100_000))), ["reject"]);
}

#[test]
fn text_has_a_line_for_each_frame_or_error_and_the_fields_of_a_frame() {
    let inv = golden("exccd.jsonl", "inv/min/pver9");
    let expected = r#"line 1: ping, 32 bytes, canonical
{
  "command": "ping",
  "fields": {
    "nonce": "72623859790382856"
  }
}
line 2: inv, 25 bytes, canonical
{
  "command": "inv",
  "fields": {
    "inv_list": []
  }
}
line 3: error Truncated: frame: 24 bytes needed, 1 remaining
"#;
    assert_eq!(written(format!("{PING}\n{inv}\ne1"), DEFAULTS, Form::Text), expected);
}

#[test]
fn text_has_the_fields_of_json() {
    for id in ["block/typ/pver9", "tx/typ/pver8", "headers/typ/pver7", "version/typ/pver9"] {
        let line = golden("exccd.jsonl", id);
        let text = written(&line, DEFAULTS, Form::Text);
        let (_, shown) = text.split_once('\n').expect("more than one line");
        let shown: Value = serde_json::from_str(shown).expect("valid JSON");
        let report = serde_json::from_str(&written(&line, DEFAULTS, Form::Json));
        let mut report: Value = report.expect("a report is JSON");
        for key in ["line", "ok", "canonical", "consumed"] {
            report.as_object_mut().expect("a report is an object").remove(key);
        }
        assert_eq!(shown, report, "{id}");
    }
}

/// An output that counts the lines before each flush, and that can fail.
#[derive(Default)]
struct Pipe {
    pending: usize,
    flushed: Vec<usize>,
    breaks: bool,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.breaks {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.pending += bytes.iter().filter(|&&byte| byte == b'\n').count();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushed.push(std::mem::take(&mut self.pending));
        Ok(())
    }
}

#[test]
fn a_line_is_answered_before_the_next_is_read() {
    let input = format!("{PING}{PING}\n\n{VERACK}\n");
    let mut output = Pipe::default();
    // A buffer of one byte cannot read ahead into the next line.
    let run = lines::run(
        BufReader::with_capacity(1, input.as_bytes()),
        &mut output,
        DEFAULTS,
        Form::Json,
    );
    assert!(run.is_ok());
    assert_eq!(output.flushed, [2, 0, 1]);
}

#[test]
fn a_broken_pipe_is_returned_as_an_error() {
    for form in [Form::Json, Form::Text] {
        let output = Pipe { breaks: true, ..Pipe::default() };
        let error = lines::run(PING.as_bytes(), output, DEFAULTS, form).expect_err("a broken pipe");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
