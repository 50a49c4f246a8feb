//! Where the credentials of a bucket come from, and what is written with each object: seen at the server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use telecine::staging::{S3Settings, StagingArea, StagingConfig, s3};
use url::Url;

use crate::buckets::{BUCKET, Bucket, SECRET};
use crate::stores::{batch, commit};
use crate::support::Workplace;

/// An area with the server's endpoint and these variables, and no others.
fn area(bucket: &Bucket, variables: &[(&str, &str)]) -> StagingArea {
    let endpoint = [("AWS_ENDPOINT_URL", bucket.endpoint.as_str())];
    let owned = endpoint.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let s3 = S3Settings::of_environment(owned);
    StagingArea::open(&StagingConfig { s3, ..StagingConfig::at(format!("s3://{BUCKET}/p")) }).unwrap()
}

/// Whether an object goes there and back: s3s checks the signature.
async fn works(area: &StagingArea) -> bool {
    let run = area.run("r");
    run.put_json("x.json", &7).await.is_ok() && run.get_json::<u8>("x.json").await.unwrap() == Some(7)
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn keys(secret: &str, token: &str) -> String {
    format!("[shelf]\naws_access_key_id = {BUCKET}\naws_secret_access_key = {secret}\n{token}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_profiles_and_programs_sign_in() {
    let bucket = Bucket::s3s().await;
    let folder = tempfile::tempdir().unwrap();
    let own = [("AWS_ACCESS_KEY_ID", BUCKET), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    assert!(works(&area(&bucket, &own)).await);
    assert!(!works(&area(&bucket, &[own[0], ("AWS_SECRET_ACCESS_KEY", "wrong")])).await);

    let credentials = write(folder.path(), "credentials", &keys(SECRET, "aws_session_token = tok-5\n"));
    let config = write(folder.path(), "config", "[profile shelf]\nregion = eu-west-3\n");
    let files = [("AWS_CONFIG_FILE", config.as_str()), ("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str())];
    let profile = [&files[..], &[("AWS_PROFILE", "shelf")]].concat();
    bucket.arrived();
    assert!(works(&area(&bucket, &profile)).await);
    let arrived = bucket.arrived();
    assert_eq!(arrived[0].header("x-amz-security-token"), "tok-5");
    assert!(arrived[0].header("authorization").contains("/eu-west-3/s3/"), "{:?}", arrived[0].headers);
    // The variables stand over the profile.
    assert!(works(&area(&bucket, &[&profile[..], &own, &[("AWS_REGION", "us-west-1")]].concat())).await);
    assert!(bucket.arrived()[0].header("authorization").contains("/us-west-1/s3/"));

    // Keys that are renewed in the file are renewed here.
    let open = area(&bucket, &profile);
    write(folder.path(), "credentials", &keys("wrong", ""));
    assert!(!works(&open).await);
    write(folder.path(), "credentials", &keys(SECRET, ""));
    assert!(works(&open).await);

    // A program's credentials, which end soon: it is asked again for each request, and once where they last.
    let count = folder.path().join("count");
    for (ends, asked) in [("2020-01-01T00:00:00Z", 2), ("2099-01-01T00:00:00Z", 1)] {
        std::fs::write(&count, "").unwrap();
        let json = format!(
            r#"{{"Version": 1, "AccessKeyId": "{BUCKET}", "SecretAccessKey": "{SECRET}", "Expiration": "{ends}"}}"#
        );
        let json = write(folder.path(), "made.json", &json);
        let process = format!("[profile shelf]\ncredential_process = echo x >> {}; cat {json}\n", count.display());
        write(folder.path(), "config", &process);
        let none = folder.path().join("none").display().to_string();
        let from_program = [("AWS_CONFIG_FILE", config.as_str()), ("AWS_SHARED_CREDENTIALS_FILE", &none), profile[2]];
        assert!(works(&area(&bucket, &from_program)).await);
        assert_eq!(std::fs::read_to_string(&count).unwrap().lines().count(), asked);
    }
}

/// A service on loopback, and the requests that it got: `GET /a?b token`.
async fn service(
    answer: impl Fn(&Request) -> String + Clone + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let app = Router::new().fallback(async move |request: Request| {
        let token = request.headers().get("x-aws-ec2-metadata-token").or(request.headers().get("authorization"));
        let token = token.map_or("", |token| token.to_str().unwrap());
        log.lock().unwrap().push(format!("{} {} {token}", request.method(), request.uri()));
        answer(&request).into_response()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, asked)
}

fn temporary(ends: &str) -> String {
    format!(
        r#"{{"AccessKeyId": "{BUCKET}", "SecretAccessKey": "{SECRET}", "Token": "temporary", "Expiration": "{ends}"}}"#
    )
}

/// The machine's and the container's credentials; those that have ended are asked for anew, without a word to anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_machine_and_the_container_sign_in_and_what_ends_is_renewed() {
    let bucket = Bucket::s3s().await;
    let folder = tempfile::tempdir().unwrap();
    for (ends, times) in [("2099-01-01T00:00:00Z", 1), ("2020-01-01T00:00:00Z", 2)] {
        let (metadata, asked) = service(move |request| match request.uri().path() {
            "/latest/api/token" => "imds-token".to_owned(),
            "/latest/meta-data/iam/security-credentials/" => "role-a".to_owned(),
            _ => temporary(ends),
        })
        .await;
        bucket.arrived();
        assert!(works(&area(&bucket, &[("AWS_METADATA_ENDPOINT", &metadata)])).await);
        assert_eq!(bucket.arrived()[0].header("x-amz-security-token"), "temporary");
        let credentials = "GET /latest/meta-data/iam/security-credentials/role-a imds-token";
        let asked = asked.lock().unwrap().clone();
        assert_eq!(asked.iter().filter(|line| *line == credentials).count(), times, "{asked:?}");

        let token = write(folder.path(), "token", "container-token");
        let (container, asked) = service(move |_| temporary(ends)).await;
        let full = format!("{container}/creds");
        let variables =
            [("AWS_CONTAINER_CREDENTIALS_FULL_URI", full.as_str()), ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token)];
        assert!(works(&area(&bucket, &variables)).await);
        assert_eq!(asked.lock().unwrap().first().unwrap(), "GET /creds container-token");
    }
}

/// A certificate for `localhost` and the authority that vouches for it.
const CERTIFICATES: &str = "set -e
    key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
    openssl req -x509 $key -days 2 -subj /CN=ca -keyout ca.key -out ca.pem
    openssl req $key -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout sts.key -out sts.csr
    openssl x509 -req -in sts.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -copy_extensions copy -out sts.pem";

/// A service of tokens (STS) that knows one way: its URL, and what it was asked.
fn tokens(folder: &Path, ends: &str) -> (String, Arc<Mutex<Vec<String>>>) {
    let answer = format!(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{BUCKET}\
         </AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>of-the-role</SessionToken><Expiration>\
         {ends}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    );
    let chain = CertificateDer::pem_file_iter(folder.join("sts.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(folder.join("sts.key")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let tls = Arc::new(builder.with_single_cert(chain, key).unwrap());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut session = ServerConnection::new(Arc::clone(&tls)).unwrap();
            let mut stream = stream.unwrap();
            let mut stream = rustls::Stream::new(&mut session, &mut stream);
            let mut buffer = [0; 4096];
            if let Ok(count @ 1..) = stream.read(&mut buffer) {
                log.lock().unwrap().push(String::from_utf8_lossy(&buffer[..count]).lines().next().unwrap().to_owned());
                let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", answer.len());
                // The client may be gone.
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(answer.as_bytes()));
                let _ = stream.flush();
            }
        }
    });
    (url, asked)
}

/// A token in a file, for a role: from the variables and from a profile. Nothing is told to who cannot prove its name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_web_identity_signs_in_and_is_renewed() {
    let bucket = Bucket::s3s().await;
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("sh").args(["-c", CERTIFICATES]).current_dir(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let token = write(folder.path(), "token", "web-token");
    let authority = folder.path().join("ca.pem").display().to_string();
    let config = format!("[profile web]\nrole_arn = arn:aws:iam::1:role/x\nweb_identity_token_file = {token}\n");
    let config = write(folder.path(), "config", &config);
    for (ends, times) in [("2099-01-01T00:00:00Z", 1), ("2020-01-01T00:00:00Z", 2)] {
        let direct = [("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x")];
        let of_profile = [("AWS_PROFILE", "web"), ("AWS_CONFIG_FILE", config.as_str())];
        for way in [direct, of_profile] {
            let (url, asked) = tokens(folder.path(), ends);
            let trusted = [("AWS_ENDPOINT_URL_STS", url.as_str()), ("AWS_CA_BUNDLE", &authority)];
            bucket.arrived();
            assert!(works(&area(&bucket, &[&way[..], &trusted[..]].concat())).await);
            assert_eq!(bucket.arrived()[0].header("x-amz-security-token"), "of-the-role");
            let asked = asked.lock().unwrap().clone();
            assert_eq!(asked.len(), times, "{asked:?}");
            assert!(
                asked[0].contains("Action=AssumeRoleWithWebIdentity")
                    && asked[0].contains("WebIdentityToken=web-token")
            );
        }
    }
}

/// KMS key and storage class go with every object, small, in parts and created, and with nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_and_the_storage_class_arrive_with_every_object() {
    for bucket in [Bucket::s3s().await, Bucket::moto().await] {
        let s3 = S3Settings::of_environment(bucket.variables());
        let key = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        let s3 = s3.with_kms_key(Some(key.to_owned())).with_storage_class(Some("REDUCED_REDUNDANCY".to_owned()));
        let area = StagingArea::open(&StagingConfig { s3, ..bucket.config() }).unwrap();
        let run = area.run("r");
        let lease = run.lease("extract").await.unwrap();
        run.put_json("x.json", &1).await.unwrap();
        let rows = (0..20).map(|n| batch(n * 1000, 1000, 1000)).collect();
        commit(&run, &telecine::dataflow::TableName::new("public", "t"), rows).await;
        lease.release().await;
        let arrived = bucket.arrived();
        let creating: Vec<_> = arrived
            .iter()
            .filter(|a| (a.method == "PUT" && !a.asks("partNumber")) || (a.method == "POST" && a.asks("uploads")))
            .collect();
        assert_eq!(creating.len(), 4, "lease, json, upload, manifest");
        for request in creating {
            assert_eq!(request.header("x-amz-server-side-encryption"), "aws:kms", "{}", request.uri);
            assert_eq!(request.header("x-amz-server-side-encryption-aws-kms-key-id"), key);
            assert_eq!(request.header("x-amz-storage-class"), "REDUCED_REDUNDANCY");
        }
        assert!(arrived.iter().any(|a| a.asks("partNumber") && a.header("x-amz-storage-class").is_empty()));
    }
}

#[test]
fn everything_that_is_wrong_with_the_settings_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("AWS_PROFILE", "gone"),
        ("AWS_CONFIG_FILE", "/none"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/none"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_ENDPOINT_URL", "ftp://user:canary@host"),
        ("AWS_CA_BUNDLE", "/none/ca.pem"),
        ("HOME", folder.path().to_str().unwrap()),
    ];
    let variables: BTreeMap<String, String> = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let settings = S3Settings::of_environment(variables);
    let error = settings.builder(&Url::parse("s3:///x").unwrap()).err().unwrap();
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    for told in [
        "names no bucket",
        "no profile `gone`",
        "AWS_SECRET_ACCESS_KEY is not set",
        "AWS_CA_BUNDLE: /none/ca.pem",
        "the endpoint of S3",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert!(!text.contains("canary"), "{text}");
    assert!(s3::storage_class("DEEP_ARCHIVE").is_err() && s3::storage_class("STANDARD_IA").is_ok());
    assert!(s3::kms_key("alias/staging").is_ok() && s3::kms_key("a key").is_err() && s3::kms_key("").is_err());
}

/// Through the binary: nothing is begun, every problem is named, no secret is shown.
#[tokio::test]
async fn bad_settings_stop_a_verb_before_any_effect() {
    let settings = "[staging]\nkms_key = \"no key\"\nstorage_class = \"FROZEN\"\nmax_in_flight = 0\n";
    let place = Workplace::of_files(&[("migration.toml", settings)]).set("TELECINE_STAGING_URL", "s3://shelf/x");
    let done = place.run("staging orphans").await.code(2);
    for told in ["staging.kms_key = `no key`", "staging.storage_class = `FROZEN`", "staging.max_in_flight = `0`"] {
        assert!(done.stderr.contains(told), "{told}: {}", done.stderr);
    }
    let place = Workplace::of_files(&[("migration.toml", "")])
        .set("TELECINE_STAGING_URL", "s3://shelf/x")
        .set("AWS_PROFILE", "gone")
        .set("AWS_SECRET_ACCESS_KEY", SECRET);
    let done = place.run("staging orphans").await.code(2);
    assert!(done.stderr.contains("no profile `gone`") && done.stderr.contains("AWS_ACCESS_KEY_ID is not set"));
    assert!(!done.stderr.contains(SECRET));
}
