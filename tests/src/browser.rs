//! A real Chromium, driven over WebDriver.
//!
//! WebDriver is JSON over HTTP, for which these tests have a client already. This module contains
//! the needed part of it, without the runtime, TLS and types of a client library, and with the
//! browser's own log, which such libraries leave out.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::Api;
use crate::wait::{HANG_TIMEOUT, ensure, wait_until};

/// The key of an element reference in WebDriver.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A reference to an element of a page. It may be stale a moment later.
#[derive(Clone, Debug)]
pub struct Element(String);

/// A Chromium with its driver. Both stop when this is dropped.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    api: Api,
    session: String,
    _home: TempDir,
}

impl Browser {
    /// Starts a browser with default settings.
    ///
    /// # Panics
    /// If there is none: a browser test without a browser has not passed.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        Self::with_preferences(&json!({}))
    }

    /// Starts a browser with scripts disabled.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    #[must_use]
    pub fn without_javascript() -> Self {
        Self::with_preferences(&json!({ "profile.managed_default_content_settings.javascript": 2 }))
    }

    #[track_caller]
    fn with_preferences(preferences: &Value) -> Self {
        let chromium = find("chromium", "CHROMIUM");
        let home = tempfile::tempdir().expect("a temporary directory can be created");
        let log_path = home.path().join("chromedriver.log");
        let log = File::create(&log_path).expect("a file in a temporary directory can be created");
        let driver = Command::new(find("chromedriver", "CHROMEDRIVER"))
            .arg("--port=0")
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a file handle can be cloned"))
            .stdout(log)
            .spawn()
            .unwrap_or_else(|error| panic!("starting chromedriver: {error}"));
        let port = wait_until("chromedriver reports its port", HANG_TIMEOUT, || port_in(&log_path));
        // From here on dropping `browser` stops the driver, also if a later step panics.
        let mut browser = Self {
            driver,
            api: Api::new(([127, 0, 0, 1], port).into()),
            session: String::new(),
            _home: home,
        };
        let profile = browser._home.path().join("profile");
        let arguments = [
            "--headless=new",
            // Chromium refuses to run as root with its sandbox, and containers often are root.
            "--no-sandbox",
            "--disable-gpu",
            // Containers often limit /dev/shm to 64 MB, which is too small for Chromium.
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--window-size=1400,1000",
            &format!("--user-data-dir={}", profile.display()),
        ];
        let options = json!({ "binary": chromium, "args": arguments, "prefs": preferences });
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let session = browser.command(
            "POST",
            "/session",
            &json!({ "capabilities": { "alwaysMatch": capabilities } }),
        );
        browser.session =
            format!("/session/{}", session["sessionId"].as_str().expect("a session has an id"));
        // Installed before any script of a page, because the log does not contain every violation
        // of the security policy.
        let listen = "globalThis.violations = []; addEventListener('securitypolicyviolation', \
                      (event) => violations.push(event.violatedDirective + ' ' + event.blockedURI));";
        browser.run_first(listen);
        browser
    }

    fn try_command(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let reply = self.api.try_request(
            method,
            path,
            &[("content-type", "application/json")],
            body.as_bytes(),
        )?;
        let value = reply.json()["value"].take();
        if reply.status == 200 {
            Ok(value)
        } else {
            Err(format!("{}: {}", value["error"], value["message"]))
        }
    }

    #[track_caller]
    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_command(method, path, body)
            .unwrap_or_else(|error| panic!("{method} {path} {body}: {error}"))
    }

    #[track_caller]
    fn session_command(&self, path: &str, body: &Value) -> Value {
        self.command("POST", &format!("{}{path}", self.session), body)
    }

    /// Sends a command of the DevTools protocol, for features that WebDriver lacks.
    #[track_caller]
    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.session_command("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Sets the size of the viewport, independent of the window's size.
    #[track_caller]
    pub fn resize(&self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Emulates the user's system preferences as media features; unnamed features keep their
    /// defaults.
    #[track_caller]
    pub fn emulate_media(&self, features: &[(&str, &str)]) {
        let features: Vec<Value> =
            features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Disables scripts in pages that are opened from here on, or enables them again. Unlike with
    /// [`Browser::without_javascript`], a page that was loaded without scripts can then still be
    /// inspected with [`Browser::evaluate`].
    #[track_caller]
    pub fn allow_scripts(&self, allowed: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", &json!({ "value": !allowed }));
    }

    /// Runs this JavaScript in each page that is opened in this window from here on, before the
    /// scripts of the page.
    #[track_caller]
    pub fn run_first(&self, script: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": script }));
    }

    /// Opens a URL, and waits until the page is loaded.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.session_command("/url", &json!({ "url": url }));
    }

    /// Goes back in the history of this window, as the back button does.
    #[track_caller]
    pub fn back(&self) {
        self.session_command("/back", &json!({}));
    }

    /// Opens a URL in a new window and switches to it. Returns the handle of the previous window.
    #[track_caller]
    #[must_use]
    pub fn open_window(&self, url: &str) -> String {
        let previous = self.command("GET", &format!("{}/window", self.session), &Value::Null);
        let opened = self.session_command("/window/new", &json!({ "type": "window" }));
        self.switch_to_window(opened["handle"].as_str().expect("a window has a handle"));
        self.open(url);
        previous.as_str().expect("a window has a handle").to_owned()
    }

    /// Switches to another window. Returns the handle of the previous one.
    #[track_caller]
    pub fn switch_to_window(&self, window: &str) -> String {
        let previous = self.command("GET", &format!("{}/window", self.session), &Value::Null);
        self.session_command("/window", &json!({ "handle": window }));
        previous.as_str().unwrap_or_default().to_owned()
    }

    /// Runs this JavaScript, and returns its result.
    ///
    /// # Panics
    /// If it throws.
    #[track_caller]
    #[must_use]
    pub fn evaluate(&self, script: &str) -> Value {
        self.session_command("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Returns the first element with this role and accessible name, as the browser computes them
    /// for assistive technology.
    ///
    /// # Errors
    /// The names of the candidates, if none matches.
    pub fn try_find(&self, role: &str, name: &str) -> Result<Element, String> {
        // Candidates are selected by tag, because querying the role of every element takes a round
        // trip each.
        let tags = match role {
            "button" => "button",
            "combobox" => "select",
            "textbox" | "searchbox" => "input",
            "link" => "a",
            "rowheader" => "th",
            _ => "[role], h1, h2, h3, table, p",
        };
        let found = self.try_command(
            "POST",
            &format!("{}/elements", self.session),
            &json!({ "using": "css selector", "value": tags }),
        )?;
        let mut names = Vec::new();
        for element in
            found.as_array().into_iter().flatten().filter_map(|element| element[ELEMENT].as_str())
        {
            let ask = |what: &str| {
                self.try_command(
                    "GET",
                    &format!("{}/element/{element}/{what}", self.session),
                    &Value::Null,
                )
            };
            let label = ask("computedlabel")?;
            if label == name && ask("computedrole")? == role {
                return Ok(Element(element.to_owned()));
            }
            names.push(label.as_str().unwrap_or_default().to_owned());
        }
        Err(format!("no {role} {name:?} among {names:?}"))
    }

    /// Waits for the element with this role and accessible name.
    ///
    /// # Panics
    /// If it does not appear.
    #[track_caller]
    #[must_use]
    pub fn find(&self, role: &str, name: &str) -> Element {
        wait_until(&format!("the page has a {role} {name:?}"), HANG_TIMEOUT, || {
            self.try_find(role, name)
        })
    }

    fn try_act(&self, role: &str, name: &str, what: &str, body: &Value) -> Result<(), String> {
        let Element(element) = self.try_find(role, name)?;
        self.try_command("POST", &format!("{}/element/{element}/{what}", self.session), body)
            .map(drop)
    }

    /// Clicks the element with this role and accessible name, as soon as it is present and
    /// clickable.
    ///
    /// # Panics
    /// If it does not become clickable.
    #[track_caller]
    pub fn click(&self, role: &str, name: &str) {
        wait_until(&format!("a click on the {role} {name:?}"), HANG_TIMEOUT, || {
            self.try_act(role, name, "click", &json!({}))
        });
    }

    /// Types into the element with this role and accessible name.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn type_into(&self, role: &str, name: &str, text: &str) {
        wait_until(&format!("typing into the {role} {name:?}"), HANG_TIMEOUT, || {
            self.try_act(role, name, "value", &json!({ "text": text }))
        });
    }

    /// Chooses an option of a combobox, as a click on it does.
    ///
    /// # Panics
    /// If there is no such option.
    #[track_caller]
    pub fn choose(&self, combobox: &str, option: &str) {
        wait_until(&format!("{option:?} is chosen in {combobox:?}"), HANG_TIMEOUT, || {
            let Element(list) = self.try_find("combobox", combobox)?;
            let options = format!("{}/element/{list}/elements", self.session);
            let found = self.try_command(
                "POST",
                &options,
                &json!({ "using": "css selector", "value": "option" }),
            )?;
            for element in found
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|element| element[ELEMENT].as_str())
            {
                let text = self.try_command(
                    "GET",
                    &format!("{}/element/{element}/text", self.session),
                    &Value::Null,
                )?;
                if text == option {
                    return self
                        .try_command(
                            "POST",
                            &format!("{}/element/{element}/click", self.session),
                            &json!({}),
                        )
                        .map(drop);
                }
            }
            Err("there is no such option".to_owned())
        });
    }

    /// Presses these keys one after the other in the focused element.
    #[track_caller]
    pub fn press(&self, keys: &str) {
        let press = |key: char| [("keyDown", key), ("keyUp", key)];
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(press)
            .map(|(what, key)| json!({ "type": what, "value": key }))
            .collect();
        self.session_command(
            "/actions",
            &json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes }] }),
        );
    }

    /// Scrolls the first element that a CSS selector matches into view, and moves the pointer onto
    /// it, `right` pixels to the right of its centre.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn point_at(&self, selector: &str, right: i32) {
        wait_until(&format!("the pointer is on {selector}"), HANG_TIMEOUT, || {
            let using = json!({ "using": "css selector", "value": selector });
            let element = self.try_command("POST", &format!("{}/element", self.session), &using)?;
            let script = "arguments[0].scrollIntoView({ block: 'center' })";
            let scroll = json!({ "script": script, "args": [element] });
            self.try_command("POST", &format!("{}/execute/sync", self.session), &scroll)?;
            let step = json!({
                "type": "pointerMove", "duration": 0, "origin": element, "x": right, "y": 0
            });
            let pointer = json!({
                "type": "pointer",
                "id": "mouse",
                "parameters": { "pointerType": "mouse" },
                "actions": [step],
            });
            self.try_command(
                "POST",
                &format!("{}/actions", self.session),
                &json!({ "actions": [pointer] }),
            )
            .map(drop)
        });
    }

    /// Returns the rendered text of the first element that a CSS selector matches; empty if there
    /// is none.
    #[track_caller]
    #[must_use]
    pub fn text(&self, selector: &str) -> String {
        self.try_text(selector).unwrap_or_default()
    }

    fn try_text(&self, selector: &str) -> Result<String, String> {
        let path = format!("{}/element", self.session);
        let found = self.try_command(
            "POST",
            &path,
            &json!({ "using": "css selector", "value": selector }),
        )?;
        let element = found[ELEMENT].as_str().ok_or("no element")?;
        let text = self.try_command("GET", &format!("{path}/{element}/text"), &Value::Null)?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until the text of an element satisfies `wanted`.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn wait_text(&self, selector: &str, what: &str, wanted: impl Fn(&str) -> bool) {
        wait_until(&format!("{selector} shows {what}"), HANG_TIMEOUT, || {
            let text = self.try_text(selector)?;
            ensure(wanted(&text), || text.clone())
        });
    }

    /// Returns a PNG of the viewport.
    #[track_caller]
    #[must_use]
    pub fn screenshot(&self) -> Vec<u8> {
        self.devtools("Emulation.setScrollbarsHidden", &json!({ "hidden": true }));
        let screenshot = self.command("GET", &format!("{}/screenshot", self.session), &Value::Null);
        BASE64
            .decode(screenshot.as_str().expect("a screenshot is a string").as_bytes())
            .expect("WebDriver encodes screenshots in base64")
    }

    /// Returns the problems logged since the last call: errors and warnings of the browser's
    /// console, and violations of the page's security policy.
    #[track_caller]
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let log = self.session_command("/se/log", &json!({ "type": "browser" }));
        let lines = log.as_array().into_iter().flatten();
        // A headless page may remain unpainted for seconds, and then has not used its fonts yet.
        let is_font_warning = |line: &Value| {
            line["message"]
                .as_str()
                .is_some_and(|text| text.contains(".woff2 was preloaded using link preload"))
        };
        // The browser's own pages, such as that of a new tab.
        let is_of_browser = |line: &Value| {
            line["message"].as_str().is_some_and(|text| text.starts_with("chrome://"))
        };
        let relevant = lines.filter(|line| {
            let is_problem = matches!(line["level"].as_str(), Some("SEVERE" | "WARNING"));
            is_problem && !is_font_warning(line) && !is_of_browser(line)
        });
        let mut problems: Vec<String> =
            relevant.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect();
        let violations = self.evaluate("return globalThis.violations ?? []");
        problems.extend(
            violations
                .as_array()
                .into_iter()
                .flatten()
                .map(|violation| format!("security policy: {violation}")),
        );
        problems
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            // Ends the browser, which does not stop with its driver.
            let _ = self.try_command("DELETE", &self.session, &Value::Null);
        }
        // Errors are ignored: the driver may have exited, and `drop` must not panic.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Returns the path in the environment variable, or of the program on `PATH`.
#[track_caller]
fn find(program: &str, variable: &str) -> String {
    if let Ok(path) = std::env::var(variable) {
        return path;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file());
    let Some(found) = found else {
        panic!(
            "{program} is missing: browser tests need the Debian packages chromium and \
             chromium-driver (make setup installs them)"
        )
    };
    found.display().to_string()
}

fn port_in(log_path: &Path) -> Result<u16, String> {
    let log = fs::read_to_string(log_path).map_err(|error| error.to_string())?;
    let (_, rest) = log.split_once("successfully on port ").ok_or_else(|| log.clone())?;
    rest.split(|c: char| !c.is_ascii_digit())
        .next()
        .unwrap_or_default()
        .parse()
        .map_err(|_| log.clone())
}
