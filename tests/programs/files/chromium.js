// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// chromium.js PROGRAM PAGE [FLAG ...]: open a page, and take a picture of it.
const fs = require('fs');
const puppeteer = require('/opt/node/node_modules/puppeteer-core');

const [, , program, page, ...flags] = process.argv;

/** Where the files are that several of its processes have mapped. */
function shared() {
  const found = new Set();
  for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const maps = fs.readFileSync(`/proc/${pid}/maps`, 'utf-8');
      for (const match of maps.matchAll(/ (\/memfd|\/dev\/shm|\/tmp)\S*(chromium|Chromium|shared-memory)/g)) found.add(match[1]);
    } catch {
      // it has ended
    }
  }
  return [...found].sort().join(', ');
}

async function main() {
  const browser = await puppeteer.launch({
    executablePath: program,
    headless: 'shell',
    // else it always has the flag that avoids /dev/shm; what is ignored, is so in args, too
    ignoreDefaultArgs: flags.length ? false : ['--disable-dev-shm-usage'],
    args: ['--no-sandbox', '--no-zygote', '--disable-gpu', ...flags],
    defaultViewport: { width: 1500, height: 1500 },
    protocolTimeout: 60000,
    timeout: 60000,
  });
  const tab = await browser.newPage();
  let crashed = false;
  tab.on('error', (error) => {
    crashed = true;
    console.log('PAGE ERROR:', error.message);
    process.exit(1);
  });
  await tab.goto(`file://${page}`, { timeout: 60000 });
  await tab.screenshot({ path: '/tmp/page.png' });
  if (!crashed) console.log('the page is there in', await browser.version(), 'and shares memory in', shared());
  await browser.close();
}

main().catch((error) => {
  console.log('ERROR:', error.message);
  process.exit(1);
});
