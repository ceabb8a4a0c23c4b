// check_manifests.js FILE...: every document of these manifests is what Kubernetes expects there. Its schemas say whether
// all that must be there is there and has the right form; they let unknown fields pass, as the API server does, so the
// TypeScript types, which do not, say whether a field is misspelt. Both come with the package; nothing is fetched.
'use strict';
const fs = require('fs');
const path = require('path');
const ts = require('typescript');
const yaml = require('js-yaml');

const modules = path.dirname(require.resolve('kubernetes-models/package.json'));

function schemaComplaints(document, source) {
  const Kind = require(source)[document.kind];
  try {
    new Kind(document).validate();
    return [];
  } catch (error) {
    return [error.message];
  }
}

// The document as a literal of its type, through the compiler, which knows no field that the type has not.
function typeComplaints(document, source) {
  const name = path.join(modules, 'document.ts');
  const text = `import { I${document.kind} } from '${source}';\nexport const document: I${document.kind} = ${JSON.stringify(document, null, 1)};\n`;
  const options = { noEmit: true, strict: true, skipLibCheck: true, types: [], moduleResolution: ts.ModuleResolutionKind.Node10 };
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists, getSourceFile } = host;
  host.fileExists = (file) => file === name || fileExists.call(host, file);
  host.readFile = (file) => (file === name ? text : readFile.call(host, file));
  host.getSourceFile = (file, target, ...rest) =>
    file === name ? ts.createSourceFile(file, text, target) : getSourceFile.call(host, file, target, ...rest);
  return ts.getPreEmitDiagnostics(ts.createProgram([name], options, host))
    .map((complaint) => ts.flattenDiagnosticMessageText(complaint.messageText, '\n'));
}

let documents = 0;
let wrong = 0;
for (const file of process.argv.slice(2)) {
  for (const document of yaml.loadAll(fs.readFileSync(file, 'utf8'))) {
    documents += 1;
    const source = `kubernetes-models/${document.apiVersion}/${document.kind}`;
    for (const complaint of [...schemaComplaints(document, source), ...typeComplaints(document, source)]) {
      console.log(`${file}: ${document.kind} ${document.metadata.name}: ${complaint}`);
      wrong += 1;
    }
  }
}
console.log(`${documents} documents, ${wrong} complaints`);
process.exit(wrong > 0 || documents === 0 ? 1 : 0);
