//! Tests: what the list holds, and what must stay readable.

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::names::{of_name, of_parameter};
use super::*;

/// Each entry of the list is needed by one of these: without it, its name would be shown.
#[test]
fn names_in_any_spelling() {
    for name in [
        "authorization",
        "Proxy-Authorization",
        "credential",
        "credentials",
        "X-Amz-Credential",
        "bearer",
        "password",
        "PASSWORD",
        "smsotp",
        "userpin2",
        "loginpwd",
        "newPassword2",
        "password_confirmation",
        "user[password]",
        "pass-word",
        "passwd",
        "pwd",
        "user_pwd",
        "pass",
        "db_pass",
        "passphrase",
        "passcode",
        "passwort",
        "kennwort",
        "mot-de-passe",
        "contrasena",
        "contraseña",
        "csrf",
        "csrfmiddlewaretoken",
        "x-xsrf-token",
        "_xsrf",
        "token",
        "accessToken",
        "refresh_token",
        "id-token",
        "XSRFToken",
        "authenticity_token",
        "tokens",
        "SAMLResponse",
        "samlRequest",
        "saml_assertion",
        "client_assertion",
        "code_verifier",
        "privateKey",
        "private_key",
        "secret",
        "clientSecret",
        "aws_secret_access_key",
        "x-api-key",
        "APIKey",
        "api_key",
        "apikey2",
        "appKey",
        "authkey",
        "AccessKeyId",
        "AccountKey",
        "clientKey",
        "consumer_key",
        "encryptionKey",
        "decryption-key",
        "x-functions-key",
        "hostKey",
        "licenseKey",
        "masterkey",
        "passkey",
        "serviceKey",
        "shared_key",
        "signingKey",
        "sshKey",
        "storage_key",
        "Ocp-Apim-Subscription-Key",
        "connectionString",
        "mnemonic",
        "seed_phrase",
        "recoveryPhrase",
        "cookie",
        "Set-Cookie",
        "session",
        "sessionId",
        "JSESSIONID",
        "PHPSESSID",
        "ASP.NET_SessionId",
        "connect.sid",
        "sess",
        "signature",
        "X-Amz-Signature",
        "sig",
        "X-Hub-Signature-256",
        "hmac",
        "accessCode",
        "activation_code",
        "authCode",
        "authentication-code",
        "authorization_code",
        "backupCode",
        "confirmation_code",
        "loginCode",
        "magicLink",
        "oneTimeCode",
        "one-time-password",
        "oneTimePass",
        "pinCode",
        "recovery_code",
        "smsCode",
        "verificationCode",
        "otp",
        "smsOtp",
        "totp",
        "hotp",
        "pin",
        "newPin2",
        "mfa_code",
        "tfa",
        "2fa",
        "cardNumber",
        "card_no",
        "cardNum",
        "cardCode",
        "cardPan",
        "creditCard",
        "debit_card",
        "cc-number",
        "ccnum",
        "securityCode",
        "card",
        "pan",
        "cvv",
        "cvv2",
        "CVC",
        "cvn",
        "csc",
        "iban",
        "payee_iban",
        "accountNumber",
        "bank_account",
        "routingNumber",
        "ssn",
        "socialSecurityNumber",
        "national_id",
        "passportNumber",
        "securityAnswer",
        "device_code",
        "user_code",
        "resetCode",
        "invite-code",
        "accountNo",
        "acctNum",
        "sortCode",
        "tax_id",
        "nationalInsuranceNumber",
        "driversLicense",
        "passport_no",
        "itin",
        "nino",
        "jwt",
        "jws",
        "psw",
        "passw",
    ] {
        assert!(of_name(name.as_bytes()).is_some(), "{name}");
    }
    for name in [
        "key",
        "api.key",
        "code",
        "auth",
        "x-auth",
        "ticket",
        "assertion",
        "x-authentication",
        "x-service-key",
    ] {
        assert!(of_parameter(name.as_bytes()).is_some(), "{name}");
    }
    assert!(of_name(&b"x".repeat(4_097)).is_some());
}

#[test]
fn ordinary_names_are_no_secrets() {
    for name in [
        "",
        "id",
        "name",
        "email",
        "price",
        "total",
        "status",
        "statusCode",
        "countryCode",
        "code",
        "key",
        "keyword",
        "keys",
        "author",
        "authored",
        "passenger",
        "passes",
        "passRate",
        "pinned",
        "spin",
        "pine",
        "opinion",
        "shopping",
        "tokenizer",
        "tokenType",
        "total_tokens",
        "maxTokens",
        "prompt-tokens",
        "secretary",
        "passwordless",
        "cardType",
        "cards",
        "cardinal",
        "cardNotes",
        "compass",
        "design",
        "assigned",
        "side",
        "sids",
        "sigma",
        "company",
        "panel",
        "sort_key",
        "description",
        "issue",
        "messages",
        "classname",
        "etag",
        "hash",
        "uuid",
        "trace",
    ] {
        assert_eq!(of_name(name.as_bytes()), None, "{name}");
    }
    for name in
        ["idempotency-key", "country_code", "status-code", "promoCode", "sort-key", "page", "q", "lang"]
    {
        assert_eq!(of_parameter(name.as_bytes()), None, "{name}");
    }
}

fn hidden(text: &str) -> String {
    let hidden = without(text.as_bytes(), b"*");
    String::from_utf8(hidden.map_or_else(|| text.as_bytes().to_vec(), |(text, _)| text)).unwrap()
}

/// Keys are put together here, so that nobody's scanner takes this file for a leak.
fn of(parts: &[&str]) -> String {
    parts.concat()
}

const MIXED: &str = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0";

#[test]
fn forms_of_secrets() {
    let capitals = "ABCDEFGH23456789";
    let hex = "0123456789abcdef0123456789abcdef01234567";
    for secret in [
        of(&["AKIA", capitals]),
        of(&["ASIA", capitals]),
        of(&["ABIA", capitals]),
        of(&["ACCA", capitals]),
        of(&["AIza", MIXED]),
        of(&["GOCSPX-", MIXED]),
        of(&["ya29.", MIXED]),
        of(&["1//0", MIXED]),
        of(&["ghp_", MIXED]),
        of(&["gho_", MIXED]),
        of(&["ghu_", MIXED]),
        of(&["ghs_", MIXED]),
        of(&["ghr_", MIXED]),
        of(&["github_pat_", MIXED]),
        of(&["glpat-", MIXED]),
        of(&["gldt-", MIXED]),
        of(&["glrt-", MIXED]),
        of(&["glcbt-", MIXED]),
        of(&["glptt-", MIXED]),
        of(&["glft-", MIXED]),
        of(&["glsoat-", MIXED]),
        of(&["gloas-", MIXED]),
        of(&["glagent-", MIXED]),
        of(&["xoxa-", MIXED]),
        of(&["xoxb-", MIXED]),
        of(&["xoxe-", MIXED]),
        of(&["xoxe.xox", "p-1-", MIXED]),
        of(&["xoxp-", MIXED]),
        of(&["xoxr-", MIXED]),
        of(&["xoxs-", MIXED]),
        of(&["xapp-", MIXED]),
        of(&["hooks.slack.com/", "services/T0/B0/", MIXED]),
        of(&["discord.com/api/webhooks/", "123456789012/", MIXED]),
        of(&["discordapp.com/api/webhooks/", "1234567890/", MIXED]),
        of(&["sk_live_", MIXED]),
        of(&["sk_test_", MIXED]),
        of(&["rk_live_", MIXED]),
        of(&["rk_test_", MIXED]),
        of(&["pk_live_", MIXED]),
        of(&["whsec_", MIXED]),
        of(&["sq0atp-", MIXED]),
        of(&["sq0csp-", MIXED]),
        of(&["shpat_", MIXED]),
        of(&["shpca_", MIXED]),
        of(&["shppa_", MIXED]),
        of(&["shpss_", MIXED]),
        of(&["sk-", MIXED]),
        of(&["sk-ant-", "api03-", MIXED]),
        of(&["sk-proj-", "a-", MIXED]),
        of(&["sk-svcacct-", "a-", MIXED]),
        of(&["sk-or-", "v1-", MIXED]),
        of(&["gsk_", MIXED]),
        of(&["xai-", MIXED]),
        of(&["hf_", MIXED]),
        of(&["r8_", MIXED]),
        of(&["npm_", MIXED]),
        of(&["pypi-", MIXED]),
        of(&["rubygems_", MIXED]),
        of(&["dckr_pat_", MIXED]),
        of(&["glsa_", MIXED]),
        of(&["ATATT3", MIXED]),
        of(&["lin_api_", MIXED]),
        of(&["figd_", MIXED]),
        of(&["PMAK-", MIXED]),
        of(&["hvs.", MIXED]),
        of(&["dop_v1_", hex]),
        of(&["doo_v1_", hex]),
        of(&["dor_v1_", hex]),
        of(&["dapi", hex]),
        of(&["secret_", MIXED]),
        of(&["SG.", MIXED, ".", MIXED]),
        of(&["key-", hex]),
        of(&["SK", hex]),
        of(&["xkeysib-", hex]),
        of(&["LTAI", MIXED]),
        of(&["AKID", MIXED]),
        of(&["GOOG", capitals, capitals]),
        of(&["NRAK-", capitals, capitals]),
        of(&["sntrys_", MIXED]),
        of(&["dt0c01.", capitals, ".", MIXED]),
        of(&["ATBB", MIXED]),
        of(&["pscale_tkn_", MIXED]),
        of(&["pscale_pw_", MIXED]),
        of(&["nfp_", MIXED]),
        of(&["ops_eyJ", MIXED]),
        of(&["EAACEdEose0cBA", MIXED]),
        "219 09 9999".to_owned(),
        of(&["AGE-SECRET-KEY-1", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"]),
        of(&["$2a$", "10/", MIXED]),
        of(&["$2b$", "10/", MIXED]),
        of(&["eyJ", "hbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln"]),
        of(&["-----BEGIN RSA PRIVATE", " KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----"]),
        "4111 1111 1111 1111".to_owned(),
        "4111111111111111".to_owned(),
        "5555-5555-5555-4444".to_owned(),
        "378282246310005".to_owned(),
        "30569309025904".to_owned(),
        "6011000990139424".to_owned(),
        "4222222222222".to_owned(),
        "3530111333300000".to_owned(),
        "2223003122003222".to_owned(),
        "6212345678900000003".to_owned(),
        "DE89 3704 0044 0532 0130 00".to_owned(),
        "GB82WEST12345698765432".to_owned(),
        "nl91abna0417164300".to_owned(),
        "NO93 8601 1117 947".to_owned(),
        "078-05-1120".to_owned(),
    ] {
        assert_eq!(hidden(&secret), "*", "{secret}");
        assert_eq!(hidden(&format!("see {secret}, and \"{secret}\".")), "see *, and \"*\".", "{secret}");
        assert_eq!(hidden(&format!("a%3D{secret}\\n{secret}")), "a%3D*\\n*", "{secret}");
        let bytes = [b"\xff\x00", secret.as_bytes(), b"\xfe"].concat();
        assert_eq!(without(&bytes, b"*").unwrap().0, b"\xff\x00*\xfe", "{secret}");
    }
    for (text, expected) in [
        ("Bearer abc.def", "Bearer *"),
        ("see BEARER%20abc", "see BEARER%20*"),
        ("Basic dXNlcjpwdw==", "Basic *"),
        ("postgres://user:hunter2@db/x", "postgres://*@db/x"),
        ("https://0123456789abcdef0123456789abcdef@o1.host.test/1", "https://*@o1.host.test/1"),
        ("see https://:pw@host.test/a b", "see https://*@host.test/a b"),
    ] {
        assert_eq!(hidden(text), expected);
    }
}

#[test]
fn ordinary_values_stay() {
    for text in [
        "",
        "7",
        "1700000000000",
        "1700000000000000",
        "1700000000000000000",
        "4111111111111112",
        "9780306406157",
        "550e8400-e29b-41d4-a716-446655440000",
        "2026-01-31T12:00:00.000Z",
        "+49 30 1234567",
        "192.168.100.200",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "W/\"5e8ff9bf55ba3508199d22e984129be6\"",
        "0.4111111111111111",
        "4111111111111111.5",
        "DE89370400440532013001",
        "DEAD 1234",
        "GB 82",
        "000-12-3456",
        "123-456-7890",
        "2026-11-30",
        "1234-56-78",
        "anna@shop.test",
        "https://shop.test/a@b",
        "mailto:a@b.test",
        "Basic training begins",
        "basic authentication",
        "The bearer",
        "sk-slovakia-bratislava",
        "key-value store",
        "AKIA",
        "ghp_short",
        "getting-started-with-envoy",
        "The session begins at 9.",
        "a signature dish",
        "<p>Our <b>session</b> begins</p>",
        "eyJ",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "SKU-000123456789",
        "order 4000000000000000",
        "0000000000000000",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
    ] {
        assert_eq!(hidden(text), text);
    }
}

#[test]
fn values_that_a_text_gives_to_a_name() {
    for (text, expected) in [
        ("password=hunter2&a=1", "password=*&a=1"),
        (r#"{"a":1,"accessToken": "hush\"x","b":2}"#, r#"{"a":1,"accessToken": "*","b":2}"#),
        (r#"{"password":"","b":"c"}"#, r#"{"password":"","b":"c"}"#),
        (r#"{"pin":1234,"ok":true}"#, r#"{"pin":*,"ok":true}"#),
        (r#"{\"token\":\"hush\"}"#, r#"{\"token\":\"*\"}"#),
        ("session_id%3D4f9c", "session_id%3D*"),
        ("%7B%22sessionId%22%3a%224f9c%22", "%7B%22sessionId%22%3a%22*%22"),
        ("{&quot;sessionId&quot;:&quot;4f9c&quot;}", "{&quot;sessionId&quot;:&quot;*&quot;}"),
        ("Cookie: a=hush; b=hush\nX: 1", "Cookie: *\nX: 1"),
        ("Authorization: Custom hush, hush", "Authorization: *"),
        ("<password>hush</password><a>1</a>", "<password>*</password><a>1</a>"),
        ("<x:pin a=\"1\">4711</x:pin>", "<x:pin a=\"1\">*</x:pin>"),
        ("<secret><![CDATA[hu<sh]]></secret>", "<secret><![CDATA[*]]></secret>"),
        (
            "<input type=\"hidden\" name=\"csrf\" value=\"hush\">",
            "<input type=\"hidden\" name=\"csrf\" value=\"*\">",
        ),
        ("<input value='hush' name='session_id'>", "<input value='*' name='session_id'>"),
        ("<key>password</key> <string>hush</string>", "<key>password</key> <string>*</string>"),
        (r#"{"name":"Authorization","value":"hush"}"#, r#"{"name":"Authorization","value":"*"}"#),
        ("wrong password 'hush' for anna", "wrong password '*' for anna"),
        ("the token is 4f9c.", "the token is *."),
        ("https://x.test/?code=hush&page=2", "https://x.test/?code=*&page=2"),
        ("password=[redacted]", "password=[redacted]"),
    ] {
        assert_eq!(hidden(text), expected);
    }
}

#[test]
fn secrets_of_paths_and_queries() {
    let secrets = Secrets::default();
    let target = Target { secrets: &secrets, mark: "*" };
    let drawn = "kJhGfDsAqWeRtYuIoPzXcVbN";
    for (path, expected) in [
        ("/products/7?q=tea&page=2", "/products/7?q=tea&page=2"),
        ("/a?access_token=abc&x=1#y", "/a?access_token=*&x=1#y"),
        ("/a?user%5Bpassword%5D=abc", "/a?user%5Bpassword%5D=*"),
        ("/a?pass%77ord=abc", "/a?pass%77ord=*"),
        ("/cart;jsessionid=8A7B;v=1/x", "/cart;jsessionid=*;v=1/x"),
        ("/token=abc/x", "/token=*/x"),
        ("/graphql?variables=%7B%22password%22%3A%22x%22%7D", "/graphql?variables=*"),
        ("/pay/4111111111111111", "/pay/*"),
        ("/orders/4111111111111112", "/orders/4111111111111112"),
        ("/orders/7f6f7a0e-9b1c-4b59-8f39-6a1d1c7f0b11", "/orders/7f6f7a0e-9b1c-4b59-8f39-6a1d1c7f0b11"),
        ("/sessions/af31-99", "/sessions/*"),
        ("/password/reset", "/password/reset"),
        ("/oauth/token?", "/oauth/token?"),
        ("/pay?to=DE89+3704+0044+0532+0130+00", "/pay?to=*"),
        ("/a?Code=77&keys=3&key=x", "/a?Code=*&keys=3&key=*"),
    ] {
        let found = target.without_secrets(path.as_bytes());
        let marks = expected.matches('*').count() as u64;
        assert_eq!((String::from_utf8(found.0).unwrap(), found.1), (expected.to_owned(), marks));
    }
    for path in [format!("/reset/{drawn}"), format!("/a?state={drawn}"), format!("/a?{drawn}")] {
        let found = target.without_secrets(path.as_bytes()).0;
        assert_eq!(String::from_utf8(found).unwrap(), path.replace(drawn, "*"));
    }
}

#[test]
fn a_policy_changes_the_list() {
    let mut secrets = Secrets::default().showing(["sessionName".to_owned(), "theme".to_owned()]);
    for text in
        ["header:X-Tenant", "cookie:uid", "query:ref", "/customer/email", "/items/*/note", "/**/birth"]
    {
        secrets.extend([text.parse::<Secret>().unwrap()]);
    }
    let path = |path: &str| secrets.of_path(path.split('/').skip(1).map(str::as_bytes));
    assert!(secrets.of_header(b"x-tenant").is_some() && secrets.of_cookie(b"uid").is_some());
    assert!(secrets.of_parameter(b"ref").is_some() && secrets.of_member(b"SessionName").is_none());
    assert!(secrets.of_cookie(b"theme").is_none() && secrets.of_cookie(b"other").is_some());
    for (at, hidden) in [
        ("/customer/email", true),
        ("/customer/email/0", true),
        ("/customer", false),
        ("/items/3/note", true),
        ("/items/3", false),
        ("/birth", true),
        ("/a/b/birth/c", true),
        ("/births", false),
    ] {
        assert_eq!(path(at).is_some(), hidden, "{at}");
    }
    for bad in ["", "a", "/", "/a//b", "header:", "header:a b", "cookie:", "query: "] {
        assert_eq!(bad.parse::<Secret>(), Err(BadSecret), "{bad}");
    }
}

/// A number against a key is none by its form, and a mark is not hidden again.
#[test]
fn nothing_shows_once_marks_stand_beside_it() {
    for (text, expected, count) in [
        ("078-05-1120-----BEGIN PRIVATE KEY-----x", "[redacted][redacted]", 2),
        ("AKIAIOSFODNN7EXAMPLExY9.078-05-1120&", "[redacted].[redacted]&", 2),
        ("<pin>4711</pin> <pin>[redacted]</pin>", "<pin>[redacted]</pin> <pin>[redacted]</pin>", 1),
        (
            "Set-Cookie Bearer %3D-----END PRIVATE KEY-----",
            "Set-Cookie Bearer [redacted] PRIVATE KEY-----",
            1,
        ),
    ] {
        let (cleaned, found) = without(text.as_bytes(), b"[redacted]").unwrap();
        assert_eq!((String::from_utf8_lossy(&cleaned).as_ref(), found), (expected, count), "{text}");
        assert_eq!(without(&cleaned, b"[redacted]"), None, "{expected}");
    }
    for text in ["078-05-1120-----BEGIN PRIVATE KEY-----x", "AKIAIOSFODNN7EXAMPLExY9.078-05-1120&"] {
        let once = discreet(text);
        assert!(!once.contains("078") && discreet(&once) == once, "{once}");
    }
}

/// Twice the text takes about twice the work: nothing is looked for again and again.
#[test]
fn hostile_texts_end() {
    for piece in [
        "sk-",
        "eyJ",
        "password",
        "password=",
        "password:\"",
        "<pin ",
        "://",
        "-----BEGIN ",
        "4-",
        "DE89 ",
        "bearer ",
        "name=\"pin\" ",
        "\\",
        "%3D",
    ] {
        let text = piece.repeat(200_000 / piece.len());
        let _ = in_text(text.as_bytes());
    }
}

/// However far it stands from what names it, and however long it is: part of a secret is shown nowhere.
#[test]
fn a_secret_is_hidden_whole_or_not_at_all() {
    let value = "hunter2-".repeat(4);
    for far in (0..1_200).step_by(3) {
        let pad = "x".repeat(far);
        for text in [
            format!("<input name=\"password\" class=\"{pad}\" value=\"{value}\">"),
            format!("<input value={value} class=\"{pad}\" name=\"password\">"),
            format!("<password class=\"{pad}\">{value}</password>"),
            format!("<key>password</key>{}<string>{value}</string>", " ".repeat(far)),
            format!("{{\"name\":\"password\",\"{pad}\":1,\"value\":\"{value}\"}}"),
        ] {
            let shown = without(text.as_bytes(), b"[redacted]").map(|(text, _)| text);
            let shown = String::from_utf8_lossy(shown.as_deref().unwrap_or(text.as_bytes())).into_owned();
            assert!(!shown.contains("hunter2") || shown.contains(&value), "{far}: {shown}");
            assert!(!shown.contains("hunter2") || far > 900, "{far}: {shown}");
        }
    }
    for length in [15_000, 17_000, 70_000, 200_000] {
        let value = "Zq7".repeat(length / 3);
        for text in [
            format!("Authorization: Bearer {value} and more"),
            format!("Negotiate {value}"),
            format!("Basic {value}"),
            format!("token={value}&a=b"),
            format!("{{\"password\": \"{value}\", \"a\": 1}}"),
            format!("password is {value}"),
            format!("https://u:{value}@host/"),
        ] {
            let (shown, _) = without(text.as_bytes(), b"[redacted]").unwrap_or_default();
            let shown = String::from_utf8_lossy(&shown);
            assert!(shown.contains("[redacted]") && !shown.contains("Zq7Zq7"), "{length}: {}", &text[..40]);
        }
    }
}
