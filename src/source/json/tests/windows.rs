//! Texts that come in windows, however they are cut, are read as those that come whole.

use proptest::prelude::*;

use super::super::documents::Feed;
use super::super::scan::Nobody;
use super::*;

const LIMITS: Limits = Limits { document: 1 << 20, held: 1 << 20 };

/// The documents of a text that comes in windows which end at these places.
fn fed(bytes: &[u8], ends: &[usize], limits: Limits, look: usize) -> Vec<Document> {
    let mut found = Vec::new();
    let mut told = |_: &mut Nobody, document| found.push(document);
    let mut feed = Feed::new(limits, 0);
    feed.look = look;
    let mut window = Vec::new();
    let mut from = 0;
    for end in ends {
        window.extend_from_slice(&bytes[from..*end]);
        from = *end;
        let read = feed.read(&window, None, &mut Nobody, &mut told);
        window.drain(..read);
    }
    window.extend_from_slice(&bytes[from..]);
    feed.read(&window, Some(None), &mut Nobody, &mut told);
    found
}

/// Documents and what is none, as they stand in objects.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let odd = prop_oneof![
        Just("\n"),
        Just("\r\n"),
        Just(" "),
        Just("{"),
        Just("}"),
        Just("[1,"),
        Just("{\"a\":1,\"a\":2}"),
        Just("nul"),
        Just("\"\\ud83d\\ude00\""),
        Just("\"\\ud83d\""),
        Just("-0"),
        Just("1e400"),
        Just("{\"a\":tru"),
        Just("[12"),
        Just("345]"),
        Just("\"é東"),
        Just("\""),
        Just("true"),
        Just("{} 7"),
        Just("{\"key\" : \"\\u00e9\"}"),
    ];
    let broken = prop::collection::vec(any::<u8>(), 0..3);
    let part = prop_oneof![
        4 => value().prop_map(|value| value.to_string().into_bytes()),
        1 => value().prop_map(|value| format!("{value:#}").into_bytes()),
        4 => odd.prop_map(|text| text.as_bytes().to_vec()),
        1 => broken,
    ];
    let end = prop_oneof![4 => Just("\n"), 1 => Just(""), 1 => Just(" ")];
    prop::collection::vec((part, end), 0..8)
        .prop_map(|parts| parts.into_iter().flat_map(|(part, end)| [part, end.as_bytes().to_vec()].concat()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn windows_make_no_difference(bytes in text(), ends in prop::collection::vec(any::<prop::sample::Index>(), 0..12), look in 1..64_usize) {
        let mut ends: Vec<usize> = ends.iter().map(|end| end.index(bytes.len() + 1)).collect();
        ends.sort_unstable();
        let whole = fed(&bytes, &[], LIMITS, look);
        prop_assert_eq!(fed(&bytes, &ends, LIMITS, look), whole.clone(), "{}", bytes.escape_ascii());
        let each: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(fed(&bytes, &each, LIMITS, look), whole, "{}", bytes.escape_ascii());
    }

    /// Documents are in order and apart, and cover all that is no blank, but what follows a fault.
    #[test]
    fn documents_cover_their_text(bytes in text()) {
        let mut next = 0;
        let mut has_fault = false;
        for (number, document) in fed(&bytes, &[], LIMITS, 1 << 20).into_iter().enumerate() {
            prop_assert_eq!(document.number, number as u64);
            prop_assert!(document.offset >= next);
            prop_assert!(has_fault || bytes[next..document.offset].iter().all(u8::is_ascii_whitespace));
            next = document.offset + document.length;
            has_fault = document.fault.is_some();
            prop_assert!(next <= bytes.len());
        }
        prop_assert!(has_fault || bytes[next..].iter().all(u8::is_ascii_whitespace));
    }
}
