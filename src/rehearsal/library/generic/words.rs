//! Vocabularies by column name, and running text.

use std::sync::LazyLock;

use super::super::random::Draws;

/// Length of the text that running text is cut from.
const CORPUS_BYTES: usize = 64 * 1024;

/// No word and the sign behind it are longer; text starts at the next word within this distance.
const LONGEST_WORD: usize = 16;

/// Words of trailers, titles, logs and notes.
const WORDS: &str = "the a of and to in for with from by on at as is was not all new final master promo trailer \
    season episode review approved pending archive tape clip reel sequence camera scene night day harbour river \
    mountain winter summer ghost station letter garden island border market signal engine copper silver \
    proxy mezzanine source thumbnail render queue retry node worker export import transfer delivered checksum \
    audio stereo surround caption subtitle language english spanish french german version draft locked open \
    closed request answer failed completed started waiting operator comment please replace logo end card music \
    cue legal line rights window territory broadcast digital social cutdown sponsor bumper sting image poster \
    banner key art layered portrait landscape square folder library storage path missing restored moved copied";

/// Phrases of other scripts, emoji, and signs that need escaping somewhere on their way.
const PHRASES: [&str; 10] = [
    "Größe geändert – „fertig“",
    "Épisode très attendu, déjà validé",
    "最終版 確認済み",
    "финальная версия",
    "النسخة النهائية",
    "גרסה סופית",
    "अंतिम संस्करण",
    "👩‍👩‍👧 🇲🇽 👍🏽",
    "C:\\media\\out\t\"quoted\" 'single' \\N",
    "line one\nline two\r\nline three; $1 {a,b} 100 %",
];

static CORPUS: LazyLock<String> = LazyLock::new(|| {
    let words: Vec<&str> = WORDS.split_ascii_whitespace().collect();
    let mut draws = Draws::new(1);
    let mut text = String::with_capacity(CORPUS_BYTES + 16);
    while text.len() < CORPUS_BYTES {
        text.push_str(draws.pick(&words));
        text.push_str(if draws.chance(0.08) { ". " } else { " " });
    }
    text
});

/// Appends about `bytes` bytes of ASCII running text without line ends (at least one byte, no blank at its ends).
pub(super) fn push_text(text: &mut String, draws: &mut Draws, bytes: usize) {
    let corpus: &str = &CORPUS;
    let mut missing = bytes.max(1);
    while missing > 0 {
        let length = missing.min(CORPUS_BYTES / 2);
        let drawn = usize::try_from(draws.below((CORPUS_BYTES - length - LONGEST_WORD) as u64)).unwrap_or(0);
        let bytes = &corpus.as_bytes()[drawn..drawn + LONGEST_WORD];
        let start = drawn + bytes.iter().position(|byte| *byte == b' ').map_or(0, |blank| blank + 1);
        text.push_str(&corpus[start..start + length]);
        missing -= length;
    }
    if text.ends_with(' ') {
        text.pop();
        text.push('s');
    }
}

/// Running text of about `bytes` bytes; one in sixteen ends with a phrase of another script or odd signs.
pub(super) fn text(draws: &mut Draws, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 48);
    push_text(&mut text, draws, bytes);
    if draws.below(16) == 0 {
        text.push(' ');
        text.push_str(draws.pick(&PHRASES));
    }
    text
}

/// One word.
pub(super) fn word(draws: &mut Draws) -> &'static str {
    static LIST: LazyLock<Vec<&'static str>> = LazyLock::new(|| WORDS.split_ascii_whitespace().collect());
    draws.pick(&LIST)
}

/// At most `length` characters of a text.
pub(super) fn clip(mut text: String, length: usize) -> String {
    if text.len() > length
        && let Some((end, _)) = text.char_indices().nth(length)
    {
        text.truncate(end);
    }
    text
}

/// The vocabulary of a text column, by its name.
pub(super) fn vocabulary(column: &str) -> Option<&'static [&'static str]> {
    VOCABULARIES.iter().find(|(columns, _)| columns.contains(&column)).map(|(_, words)| *words)
}

type Vocabulary = (&'static [&'static str], &'static [&'static str]);

const CLASSES: &[&str] = &["AssetMaster", "Timeline", "Clip", "Project", "AssetCollection", "Metadata"];

const VOCABULARIES: &[Vocabulary] = &[
    (
        &[
            "object_class",
            "item_class",
            "doc_class",
            "subject_class",
            "owner_class",
            "class_name",
            "subject_do_class_name",
        ],
        CLASSES,
    ),
    (&["state", "status", "verdict"], &["NEW", "QUEUED", "RUNNING", "DONE", "FAILED", "CANCELLED"]),
    (&["decision"], &["APPROVE", "REJECT", "CHANGES"]),
    (&["algo"], &["md5", "sha1", "xxh64"]),
    (&["platform"], &["mac", "windows", "linux", "web", "ios", "tv"]),
    (&["action"], &["CREATE", "UPDATE", "DELETE", "VIEW", "DOWNLOAD", "EXPORT", "LOGIN", "SHARE"]),
    (&["level"], &["DEBUG", "INFO", "WARN", "ERROR"]),
    (&["method"], &["GET", "POST", "PUT", "DELETE", "PATCH"]),
    (&["lang", "lang_guess", "doc_language", "language"], &["en", "es", "fr", "de", "ja", "ar", "he", "hi", "zh"]),
    (
        &["locale"],
        &["en_US", "en_GB", "es_MX", "fr_FR", "de_DE", "ja_JP", "ar_AE", "he_IL", "hi_IN", "pt_BR", "zh_CN", "it_IT"],
    ),
    (&["direction"], &["I", "O"]),
    (&["op"], &["I", "U", "D"]),
    (&["territory", "iso2"], &["US", "GB", "DE", "FR", "MX", "JP", "IN", "BR"]),
    (&["iso3"], &["USA", "GBR", "DEU", "FRA", "MEX", "JPN", "IND", "BRA"]),
    (&["storage_class"], &["STANDARD", "STANDARD_IA", "GLACIER", "DEEP_ARCHIVE", "nearline"]),
    (&["bucket"], &["studio-originals", "studio-proxies", "studio-archive", "studio-exchange"]),
    (&["engine"], &["vantage", "ffmpeg", "elemental", "whisper", "rev"]),
    (&["kind", "collection_kind"], &["file", "task", "system", "caption", "sidecar", "video", "image"]),
    (&["mime_type"], &["video/quicktime", "video/mp4", "image/jpeg", "application/pdf", "application/octet-stream"]),
    (&["extension"], &["mov", "mp4", "mxf", "jpg", "psd", "pdf", "zip", "xyz"]),
    (&["doc_format"], &["PDF", "DOCX", "XLSX", "TXT", "pdf"]),
    (&["encrypted_flag", "active"], &["Y", "N", "1", "0", ""]),
    (&["frame_rate"], &["29.97", "23.976", "25", "30000/1001", "59.94", "24"]),
    (&["channels", "channel_count", "audio_channel_count"], &["2", "6", "8", "5.1", "stereo"]),
    (&["channel_layout"], &["L R", "L R C LFE Ls Rs", "M"]),
    (&["sample_rate"], &["48000", "48 kHz", "44100", "96000"]),
    (&["data_type"], &["STRING", "FILE", "BOOLEAN", "JSON", "ASSET", "INTEGER"]),
    (&["step_type"], &["transcode", "copy", "script", "decision", "approval", "metadata", "notify"]),
    (
        &["step_name"],
        &[
            "Analyse source",
            "Create proxy",
            "Copy to archive",
            "Approve",
            "Notify requester",
            "Set metadata",
            "Größe prüfen",
        ],
    ),
    (&["node"], &["node-01", "node-02", "node-03", "node-04", "node-05"]),
    (&["sched_name"], &["studioScheduler"]),
    (&["trigger_group", "job_group"], &["DEFAULT", "INGEST", "ARCHIVE", "REPORT"]),
    (&["trigger_state"], &["WAITING", "ACQUIRED", "PAUSED", "BLOCKED", "ERROR"]),
    (&["trigger_type"], &["SIMPLE", "CRON"]),
    (&["cron_expression"], &["0 0 2 * * ?", "0 */5 * * * ?", "0 30 6 ? * MON-FRI"]),
    (&["time_zone_id", "time_zone"], &["America/Denver", "America/New_York", "UTC", "Europe/Berlin"]),
    (&["lock_name"], &["TRIGGER_ACCESS", "STATE_ACCESS"]),
    (&["exectype"], &["EXECUTED", "RERAN", "MARK_RAN"]),
    (&["agent"], &["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", "Mozilla/5.0 (Windows NT 10.0)", "curl/7.64.1"]),
    (&["network"], &["NET1", "NET2", "KIDS", "MOVIES", "SPORT", "net1 "]),
    (&["daypart"], &["Morning", "Daytime", "Prime", "Late", ""]),
    (&["season"], &["Spring 2019", "Fall 2021", "Winter 2023"]),
    (&["speaker"], &["Speaker 1", "Speaker 2", "Narrator", "Épouse", ""]),
    (
        &["tag"],
        &[
            "Make",
            "Model",
            "Orientation",
            "XResolution",
            "DateTimeOriginal",
            "ColorSpace",
            "Software",
            "Artist",
            "Copyright",
            "ImageDescription",
        ],
    ),
    (&["codec_id"], &["avc1", "apch", "40", "mp4a", "V_MPEG4/ISO/AVC"]),
    (&["system"], &["EIDR", "MAM1", "TRAFFIC", "BRIGHTCOVE"]),
    (
        &["subject_class_table", "table_name"],
        &["asset_master", "clip", "timeline", "asset_collection", "project", "Legacy Metadata"],
    ),
    (&["reel", "tape", "media_no"], &["A001", "A002", "B001", "AX", "T-10042"]),
    (&["track"], &["V", "A", "A2", "AA/V"]),
    (&["usage", "role"], &["source", "reference", "output"]),
    (&["archived_flag", "deleted_flag", "source_flag"], &["Y", "N", "M", "A"]),
    (&["sdk_version", "version", "tool_version", "pdf_version"], &["1.0", "1.4", "2.10", "3.1"]),
    (&["media"], &["video", "image", "audio"]),
    (&["workflow"], &["Ingest", "Transcode HD", "QC", "Caption burn-in", "Archive"]),
    (&["endpoint"], &["iTunes", "Amazon", "Roku", "Web"]),
    (&["alias", "external_code"], &["Ep.", "Mini Series", "HD ", "Promo.", "épisode"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_its_length_and_no_blank_ends() {
        let mut draws = Draws::new(7);
        for bytes in [1, 5, 300, 200_000] {
            let mut text = String::new();
            push_text(&mut text, &mut draws, bytes);
            assert_eq!(text.len(), bytes);
            assert!(!text.ends_with(' '));
        }
        assert_eq!(clip("äöüß".to_owned(), 3), "äöü");
        assert_eq!(clip("ab".to_owned(), 3), "ab");
    }
}
