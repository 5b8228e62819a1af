//! Providers people sign in at.

use super::*;

const ISSUER: (&str, &str) = ("OIDC_ISSUER", "https://id.example.com/realms/main");

#[test]
fn a_provider_is_issuer_and_client() {
    let root = folder();
    assert!(load(&root, &[]).unwrap().oidc.is_empty());
    let all = load(&root, &[ISSUER, ("OIDC_CLIENT_ID", "apiverse")]).unwrap();
    let [one] = all.oidc.as_slice() else {
        panic!("{:?}", all.oidc);
    };
    assert_eq!(one.slug, "oidc");
    assert_eq!(one.name, "id.example.com");
    assert_eq!(one.issuer, ISSUER.1, "as it is written");
    assert!(one.client_secret.is_none());
    assert_eq!(one.scopes, ["email", "profile"]);
}

#[test]
fn several_come_from_the_file_and_the_environment() {
    let root = folder();
    let file = "[sign_in.oidc]\nissuer = \"https://accounts.google.com\"\nclient_id = \"g\"\n\
        name = \"Google\"\n[sign_in.oidc_3]\nissuer = \"http://127.0.0.1:9000\"\nclient_id = \"k\"\n";
    fs::write(root.path().join("apiverse.toml"), file).unwrap();
    let env = [
        ("OIDC_3_SCOPES", "openid email, groups"),
        ("OIDC_CLIENT_SECRET", "hush"),
    ];
    let providers = load(&root, &env).unwrap().oidc;
    let slugs: Vec<&str> = providers.iter().map(|provider| provider.slug).collect();
    assert_eq!(slugs, ["oidc", "oidc-3"]);
    assert_eq!(providers[0].name, "Google");
    assert!(providers[0].client_secret.is_some());
    assert_eq!(providers[1].scopes, ["email", "groups"]);
}

#[test]
fn halves_and_wrong_ones_are_told() {
    let root = folder();
    for (env, names) in [
        (&[ISSUER][..], &["OIDC_CLIENT_ID"][..]),
        (&[("OIDC_2_CLIENT_ID", "x")], &["OIDC_2_ISSUER"]),
        (
            &[
                ("OIDC_ISSUER", "accounts.google.com"),
                ("OIDC_CLIENT_ID", "x"),
            ],
            &["OIDC_ISSUER"],
        ),
        (
            &[
                ("OIDC_ISSUER", "https://u:p@id.example.com"),
                ("OIDC_CLIENT_ID", "a b"),
            ],
            &["OIDC_ISSUER", "OIDC_CLIENT_ID"],
        ),
        (
            &[ISSUER, ("OIDC_CLIENT_ID", "x"), ("OIDC_SCOPES", "a\"b")],
            &["OIDC_SCOPES"],
        ),
    ] {
        assert_eq!(problem_names(load(&root, env)), names, "{env:?}");
    }
}
