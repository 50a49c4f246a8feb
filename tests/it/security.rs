//! The client among servers that lie, lure, break off and cannot prove their name: nothing is followed, nothing is taken
//! for an answer that is none, no secret is repeated, and nobody unproven hears a password.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use telecine::flex::{Finding, FlexClient, FlexConfig, Outcome, RetryPolicy};
use telecine::rehearsal::flex::Personality;

use crate::campaign::place::{server as local, workplace};
use crate::flex_client::{asset, http, impatient, raw};
use crate::mapped::{self, Writes, flex, rows};
use crate::support::{FLEX_PASSWORD, FLEX_USER, Workplace, files, finish, lives};

/// A server of one answer, and how many connections it has seen.
async fn server(answer: impl Into<Vec<u8>>) -> (FlexClient, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    (impatient(&raw(vec![answer.into()], Arc::clone(&seen)).await), seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_reported_with_their_place_and_never_followed() {
    let lured = Arc::new(AtomicUsize::new(0));
    let elsewhere = raw(vec![http("200 OK", "", r#"{"id":1}"#)], Arc::clone(&lured)).await;
    let places = [
        format!("{elsewhere}/assets"),
        elsewhere.replace("http:", "https:"),
        elsewhere.replace("127.0.0.1", "localhost"),
        elsewhere.replace("http:", ""),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "file:///etc/passwd".to_owned(),
        "/api/assets".to_owned(),
    ];
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        for place in &places {
            let (client, seen) = server(http(status, &format!("location: {place}\r\n"), "")).await;
            let Outcome::Refused(refusal) = client.create_asset(&asset(1, "n", 1)).await.unwrap() else {
                panic!("{status} to {place}")
            };
            assert!(refusal.message.contains("redirect") && refusal.message.contains(place), "{refusal:?}");
            assert!(client.ping().await.is_err());
            assert_eq!(seen.load(Ordering::SeqCst), 2, "{status} to {place}: one connection a request");
        }
    }
    assert_eq!(lured.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_leaves_a_post_unclear() {
    let head = |more: &str| format!("HTTP/1.1 201 Created\r\n{more}\r\n").into_bytes();
    let answers = [
        ("too long a length", [head("content-length: 9\r\n"), br#"{"id":7}"#.to_vec()].concat()),
        ("too short a length", [head("content-length: 7\r\n"), br#"{"id":7}"#.to_vec()].concat()),
        ("two lengths", [head("content-length: 8\r\ncontent-length: 9\r\n"), br#"{"id":7}"#.to_vec()].concat()),
        ("no chunks", [head("transfer-encoding: chunked\r\n"), b"zz\r\n{\"id\":7}\r\n0\r\n\r\n".to_vec()].concat()),
        ("a chunk cut", [head("transfer-encoding: chunked\r\n"), b"8\r\n{\"id\":7}".to_vec()].concat()),
        ("no text", [head("content-length: 14\r\n"), b"{\"id\":7,\"x\":\"\xff".to_vec(), b"\"}".to_vec()].concat()),
        ("a zipped body", [head("content-encoding: gzip\r\n"), vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]].concat()),
        ("a page", http("200 OK", "", "<html>hello</html>")),
        ("another protocol", b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_vec()),
        ("only promises", "HTTP/1.1 100 Continue\r\n\r\n".repeat(20_000).into_bytes()),
        ("endless headers", [head("")[..22].to_vec(), vec![b'x'; 20 << 20]].concat()),
        ("no protocol", br#"{"id":7}"#.to_vec()),
        ("depth", http("201 Created", "", &"[".repeat(100_000))),
    ];
    for (what, answer) in answers {
        let (client, seen) = server(answer).await;
        let outcome = client.create_asset(&asset(1, "n", 1)).await.unwrap();
        assert!(matches!(outcome, Outcome::Unclear(_)), "{what} gave {outcome:?}");
        assert_eq!(seen.load(Ordering::SeqCst), 1, "{what} was sent again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_cut_at_any_byte_is_unclear() {
    let answer = http("201 Created", "", r#"{"id":7}"#);
    for length in 0..answer.len() {
        let (client, _) = server(&answer[..length]).await;
        let outcome = client.create_asset(&asset(1, "n", 1)).await.unwrap();
        assert!(matches!(outcome, Outcome::Unclear(_)), "{length} bytes gave {outcome:?}");
    }
    let (client, _) = server(answer).await;
    assert_eq!(client.create_asset(&asset(1, "n", 1)).await.unwrap(), Outcome::Done(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_sent_ahead_is_nobodys() {
    let ahead = [http("201 Created", "", r#"{"id":1}"#), http("201 Created", "", r#"{"id":666}"#)].concat();
    let answers = vec![ahead, http("201 Created", "", r#"{"id":2}"#)];
    let client = impatient(&raw(answers, Arc::new(AtomicUsize::new(0))).await);
    assert_eq!(client.create_asset(&asset(1, "n", 1)).await.unwrap(), Outcome::Done(1));
    let second = client.create_asset(&asset(1, "n", 2)).await.unwrap();
    assert!(matches!(second, Outcome::Done(2) | Outcome::Unclear(_)), "{second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_not_read_as_empty() {
    let deep = format!(r#"{{"instance":{{"x":{}{}}}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let mut no_text = http("200 OK", "", r#"{"instance":{"title":"?"}}"#);
    let place = no_text.iter().rposition(|byte| *byte == b'?').unwrap();
    no_text[place] = 0xff;
    for answer in [http("200 OK", "", &deep), no_text] {
        let (client, _) = server(answer).await;
        let error = client.metadata(1).await.unwrap_err().to_string();
        assert!(error.contains("unreadable body"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_repeats_what_it_heard_tells_no_secret() {
    // `rehearsal:rehearsal`, as HTTP Basic has it; and a sequence that clears a terminal.
    let said = "\u{1b}[2J Authorization: Basic cmVoZWFyc2FsOnJlaGVhcnNhbA== password rehearsal";
    for status in ["400 Bad", "401 Who", "429 Slow", "500 Oops", "200 OK"] {
        let (client, _) = server(http(status, "", said)).await;
        let told = format!("{:?}", client.create_asset(&asset(1, "n", 1)).await);
        assert!(told.contains("password ********"), "{status}: {told}");
        for secret in ["cmVoZWFyc2Fs", "rehearsal", "u{1b}"] {
            assert!(!told.contains(secret), "{status}: {told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_name_is_found_again_by_exactly_that_name() {
    const LETTERS: [&str; 24] = [
        ";", "/", "=", "%", ",", "?", "#", "+", "&", "\\", "..", ".", " ", "%2F", "%", "\t", "\u{7f}", "\u{1}", "é",
        "\u{301}", "🎬", "\u{202e}", "a", "'\"",
    ];
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let local = flex(Personality::Both, &[]);
    let client = mapped::client(local.base_url());
    let definition = client.definition("assetType_Promo").await.unwrap().unwrap().id;
    let since = Utc::now() - TimeDelta::hours(1);
    for number in 1..=100 {
        let name: String = (0..random.usize(0..12)).map(|_| LETTERS[random.usize(..LETTERS.len())]).collect();
        let wanted = asset(definition, &format!("n{name}n"), number);
        let Outcome::Done(id) = client.create_asset(&wanted).await.unwrap() else { panic!("{name:?} was refused") };
        let finding = client.find_by_name(&wanted.name, &wanted.uuid, since).await.unwrap();
        assert!(matches!(&finding, Finding::Found(found) if found.id == id), "{name:?}: {finding:?}");
    }
}

/// An authority and a foreign one; certificates of the first for this machine, another host, and expired.
const CERTIFICATES: &str = "set -e
    key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
    for name in ca evil; do openssl req -x509 $key -days 2 -subj /CN=$name -keyout $name.key -out $name.pem; done
    issue() {
        openssl req $key -subj /CN=$2 -addext subjectAltName=DNS:$2 -keyout $1.key -out $1.csr
        openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days $3 -copy_extensions copy -out $1.pem
    }
    issue right localhost 2; issue other elsewhere.internal 2; issue expired localhost -1";

/// Speaks TLS with this certificate, remembers what it hears and answers with an empty list; its base URL.
fn listener(folder: &Path, name: &str, heard: &Arc<Mutex<Vec<u8>>>) -> String {
    let chain = CertificateDer::pem_file_iter(folder.join(format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let tls = Arc::new(builder.with_single_cert(chain.map(Result::unwrap).collect(), key).unwrap());
    let heard = Arc::clone(heard);
    listen(move |mut stream| {
        let mut session = ServerConnection::new(Arc::clone(&tls)).unwrap();
        let mut stream = rustls::Stream::new(&mut session, &mut stream);
        let mut buffer = [0; 4096];
        if let Ok(count @ 1..) = stream.read(&mut buffer) {
            heard.lock().unwrap().extend_from_slice(&buffer[..count]);
            // The client may be gone.
            let _ = stream.write_all(&http("200 OK", "connection: close\r\n", "{}"));
            let _ = stream.flush();
        }
    })
}

fn listen(serve: impl Fn(std::net::TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/api", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            serve(stream);
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_prove_its_name_hears_no_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("sh").args(["-c", CERTIFICATES]).current_dir(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let get = async |url: &str, ca: Option<&str>| {
        let config = FlexConfig {
            ca: ca.map(|name| folder.path().join(name)),
            retry: RetryPolicy { repeats: 2, ..RetryPolicy::default() },
            ..mapped::flex_config(url)
        };
        FlexClient::new(&config)?.get("/assets").await
    };
    let right = listener(folder.path(), "right", &heard);
    get(&right, Some("ca.pem")).await.unwrap();
    assert!(
        String::from_utf8_lossy(&heard.lock().unwrap()).contains("cmVoZWFyc2FsOnJlaGVhcnNhbA=="),
        "it can be heard"
    );
    heard.lock().unwrap().clear();

    let other = listener(folder.path(), "other", &heard);
    let expired = listener(folder.path(), "expired", &heard);
    // What a server says that speaks nothing newer than TLS 1.1: alert 70, protocol version.
    let old = listen(|mut stream| {
        let mut hello = [0; 4096];
        let _ = stream.read(&mut hello);
        let _ = stream.write_all(&[21, 3, 1, 0, 2, 2, 70]);
    });
    for (url, ca, word) in [
        (&right, None, "UnknownIssuer"),
        (&right, Some("evil.pem"), "UnknownIssuer"),
        (&other, Some("ca.pem"), "elsewhere.internal"),
        (&expired, Some("ca.pem"), "Expired"),
        (&old, Some("ca.pem"), "ProtocolVersion"),
    ] {
        let error = get(url, ca).await.unwrap_err();
        let told = error.to_string();
        assert!(!error.is_transient(), "{told}");
        for part in ["localhost", "did not prove its identity", "no credentials were sent", word] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    assert!(heard.lock().unwrap().is_empty(), "{heard:?}");

    fs::write(folder.path().join("empty.pem"), "").unwrap();
    for name in ["empty.pem", "absent.pem"] {
        let error = get(&right, Some(name)).await.unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains(name), "{error}");
    }
}

/// What a process of this command line says that ends with this code; its command line is looked at all the while, and
/// the most memory that it had is returned in KiB.
async fn watched(place: &Workplace, line: &str, code: i32) -> (String, u64) {
    let child = place.call(line).spawn().unwrap();
    let pid = child.id().unwrap();
    let watch = async {
        let mut most = 0;
        while lives(pid) {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&arguments).contains("canary"), "a secret in a command line");
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
            most = peak.map_or(most, |text| text.trim().parse().unwrap());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        most
    };
    let (done, most) = tokio::join!(finish(child), watch);
    let done = done.code(code);
    (format!("{}{}", done.stdout, done.stderr), most)
}

/// A server that speaks no TLS although its URL says so: it sends each client this, and waits until that leaves.
fn without_tls(said: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/api", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // The client may be gone before either.
            let _ = stream.write_all(&said).and_then(|()| stream.read_to_end(&mut Vec::new()));
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_what_is_told_nor_what_is_kept_holds_the_password() {
    use base64::Engine as _;

    let place = workplace(&rows(20, 6)).await;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{FLEX_USER}:{FLEX_PASSWORD}"));
    let faults =
        ["status=500:GET /assets/*/metadata:every=5", "status=429:*:every=20:retry-after=0", "reset:*:every=31"];
    let flex = local(&faults);
    place.add_target("dev", flex.base_url(), "");
    let said = format!("Authorization: Basic {basic}, password {FLEX_PASSWORD}");
    let seen = Arc::new(AtomicUsize::new(0));
    for (name, status, header) in [
        ("who", "401 Who", String::new()),
        ("not", "403 No", String::new()),
        ("wrong", "400 Bad", String::new()),
        ("page", "200 OK", String::new()),
        ("lured", "302 Found", format!("location: http://127.0.0.1:9/{FLEX_PASSWORD}?{basic}\r\n")),
    ] {
        place.add_target(
            name,
            &raw(vec![http(status, &header, &said)], Arc::clone(&seen)).await,
            "retries = 1\npatience = 1",
        );
    }
    let plain = without_tls(said.clone().into_bytes());
    place.add_target("plain", &plain, "retries = 1\npatience = 1");
    let mut told = Vec::new();
    for log in ["text", "json"] {
        let line = |verb: &str, name: &str| format!("{verb} --target {name} -vvv --log-format {log} --output json");
        told.push(watched(&place, &line("load --run r1", "dev"), 0).await.0);
        told.push(watched(&place, &line("reconcile --run r1", "dev"), 0).await.0);
        for name in ["who", "not", "wrong", "page", "lured", "plain"] {
            told.push(watched(&place, &line("flex get /assets", name), 1).await.0);
        }
    }
    assert!(told.iter().map(String::len).sum::<usize>() > 10_000, "-vvv says something");
    for secret in [FLEX_PASSWORD, &basic] {
        for text in &told {
            assert!(!text.contains(secret), "{text}");
        }
        for file in files(place.path()) {
            let bytes = fs::read(place.path().join(&file)).unwrap();
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{file}");
        }
    }
    assert!(files(place.path()).iter().any(|file| file.ends_with("ledger/dev.sqlite3")));
    flex.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_makes_the_client_grow_without_bound() {
    // 300 MiB that do not end, a list of a value each two bytes, and an error page of the first kind.
    let endless = |status: &str| [format!("HTTP/1.1 {status}\r\n\r\n[").into_bytes(), b"1,".repeat(150 << 20)].concat();
    let dense = format!("[{}1]", "1,".repeat((32 << 19) - 8));
    let place = Workplace::of_files(&[]);
    for (name, answer) in
        [("endless", endless("200 OK")), ("dense", http("200 OK", "", &dense)), ("page", endless("400 Bad"))]
    {
        place.add_target(name, &raw(vec![answer], Arc::new(AtomicUsize::new(0))).await, "retries = 1\npatience = 1");
        let (told, most) = watched(&place, &format!("flex get /assets --target {name}"), 1).await;
        println!("{name}: {most} KiB, {}", told.trim());
        assert!((1..300 << 10).contains(&most), "{name}: {most} KiB");
    }
}

#[tokio::test]
async fn the_file_of_authorities_and_the_longest_drain_are_settings() {
    let place = Workplace::of_files(&[]);
    place.add_target("dev", "https://flex.example.com/api", "ca = \"/etc/flex/ca.pem\"\ndrain = \"30s\"");
    let settings = place.json("config").await;
    let setting =
        settings["settings"].as_array().unwrap().iter().find(|setting| setting["key"] == "flex.dev.ca").unwrap();
    assert_eq!((&setting["value"], &setting["origin"]), (&"/etc/flex/ca.pem".into(), &"file".into()));
    place.add_target("other", "https://flex.example.com/api", "cas = \"/etc/flex/ca.pem\"\ndrain = \"31s\"");
    let told = place.run("config").await.code(2).stderr;
    for part in ["unknown key `flex.other.cas`", "flex.other.drain = `31s`: 30s at most"] {
        assert!(told.contains(part), "{told}");
    }
}
