"""Static files with content hashes in their names, ES modules included."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Whitenoise's hashed storage, which also rewrites `import ... from "./x.js"`."""

    support_js_module_import_aggregation = True
